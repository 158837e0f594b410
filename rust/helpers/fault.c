// SPDX-License-Identifier: GPL-2.0
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/vmstat.h>

#include "helpers.h"

/*
 * Count a fault that was handled under the per-VMA lock, and record @cause for
 * the signal that the current task gets.
 */
void rust_riscv_note_forbidden(unsigned long cause)
{
#ifdef CONFIG_PER_VMA_LOCK
	count_vm_vma_lock_event(VMA_LOCK_SUCCESS);
#endif
	current->thread.bad_cause = cause;
}
