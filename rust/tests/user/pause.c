// SPDX-License-Identifier: GPL-2.0
/*
 * pause: waits where "make cycles" takes the machine over from QEMU.
 */

#include "pause.h"

int main(void)
{
	pause_here();
	return 0;
}
