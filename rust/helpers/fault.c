// SPDX-License-Identifier: GPL-2.0
/* User page faults: counting a forbidden access and recording its cause. */
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/vmstat.h>

#include "helpers.h"

/*
 * Count a forbidden access as a fault handled under the per-VMA lock, and set the
 * current task's bad_cause to @cause for its signal. Process context.
 */
void rust_riscv_note_forbidden(unsigned long cause)
{
#ifdef CONFIG_PER_VMA_LOCK
	count_vm_vma_lock_event(VMA_LOCK_SUCCESS);
#endif
	current->thread.bad_cause = cause;
}
