// SPDX-License-Identifier: GPL-2.0
#include <linux/kprobes.h>
#include <linux/uaccess.h>

#include "helpers.h"

/* A call of the kernel's could be traced. */
notrace __kprobes bool rr_test_can_write(void *addr, u8 byte)
{
	bool can = false;

	pagefault_disable();
	__put_kernel_nofault(addr, &byte, u8, no);
	can = true;
no:
	pagefault_enable();
	return can;
}
