// SPDX-License-Identifier: GPL-2.0
/*
 * pause: a place for "make cycles" to take the machine over from QEMU.
 */

#include "pause.h"

int main(void)
{
	pause_here();
	return 0;
}
