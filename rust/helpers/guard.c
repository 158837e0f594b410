// SPDX-License-Identifier: GPL-2.0
/*
 * The table of in-flight edits, for the breakpoint handler. The handler runs in
 * any context, and the breakpoint may be at the first instruction of any
 * function, such as the atomics of the kernel crate. So what it calls here must
 * not be traced or probed.
 */
#include <asm/barrier.h>
#include <linux/kprobes.h>
#include <linux/rcupdate.h>
#include <linux/smp.h>

#include "helpers.h"

static const struct rust_riscv_guarded *guarded;

/* Publish @table, before any breakpoint of its edits is written. */
void rust_riscv_guard_publish(const struct rust_riscv_guarded *table)
{
	/* The table's content before the pointer to it. litmus: guard+publish */
	smp_store_release(&guarded, table);
	/*
	 * The pointer before the breakpoints. Pairs with the barrier in
	 * rust_riscv_guard_published(). litmus: guard+publish
	 */
	smp_wmb();
}

/*
 * Withdraw the table, and wait until no CPU reads it any more. To be called
 * after the last flush, when no CPU fetches a breakpoint of its edits any more.
 *
 * The handler has interrupts off from the trap on, so a CPU answers an IPI only
 * after it has left the handler. RCU cannot be used instead: it is not watching
 * a CPU that trapped in its idle loop until the handler's irqentry_nmi_enter().
 *
 * The caller holds cpus_read_lock(), since CPUs that are not online get no IPI.
 */
void rust_riscv_guard_withdraw(void)
{
	/*
	 * Wait for CPUs that have hit one of our breakpoints and have not read
	 * the table yet. litmus: guard+withdraw
	 */
	kick_all_cpus_sync();
	WRITE_ONCE(guarded, NULL);
	/*
	 * Wait for CPUs that have hit another breakpoint, and are still reading
	 * the table. litmus: guard+free
	 */
	kick_all_cpus_sync();
}

/* The published table, or NULL. For the breakpoint handler. */
notrace __kprobes const struct rust_riscv_guarded *rust_riscv_guard_published(void)
{
	/*
	 * The fetch of the breakpoint before the load of the pointer: a trap
	 * does not order them, like a branch. Pairs with the barrier in
	 * rust_riscv_guard_publish(). litmus: guard+publish
	 */
	smp_rmb();
	/* Pairs with the release in rust_riscv_guard_publish(). litmus: guard+publish */
	return smp_load_acquire(&guarded);
}

/*
 * Wait for a grace period of RCU-tasks. Every task that runs afterwards sees
 * what was written before, and no task that was preempted before sees what is
 * written afterwards until it has switched voluntarily.
 * litmus: guard+tasks
 */
void rust_riscv_synchronize_rcu_tasks(void)
{
	synchronize_rcu_tasks();
}
