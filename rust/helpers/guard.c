// SPDX-License-Identifier: GPL-2.0
/*
 * What the handler of patching's breakpoints looks at. It runs in any context,
 * at the first instruction of a function that may be the kernel crate's own
 * atomics: nothing here is traced or probed.
 */
#include <asm/barrier.h>
#include <linux/kprobes.h>
#include <linux/rcupdate.h>
#include <linux/smp.h>

#include "helpers.h"

static const struct rr_guarded *guarded;

/* Before any breakpoint of these edits is written. */
void rr_guard_publish(const struct rr_guarded *table)
{
	/* What the table says before the pointer to it. litmus: guard+publish */
	smp_store_release(&guarded, table);
	/*
	 * The pointer before the breakpoints. Pairs with the barrier in
	 * rr_guard_published(). litmus: guard+publish
	 */
	smp_wmb();
}

/*
 * After the last flush, so that no CPU fetches a breakpoint of these edits any
 * more. The handler has interrupts off from the trap on: a CPU answers an IPI
 * once it has left it. RCU would not do, since it does not watch a CPU that
 * has trapped in its idle loop until the handler's irqentry_nmi_enter().
 *
 * The caller holds cpus_read_lock(): a CPU that is not online is not asked.
 */
void rr_guard_withdraw(void)
{
	/*
	 * For CPUs that have trapped on one of our breakpoints and have yet to
	 * look. litmus: guard+withdraw
	 */
	kick_all_cpus_sync();
	WRITE_ONCE(guarded, NULL);
	/*
	 * For CPUs that have trapped on somebody else's, and look at the table
	 * meanwhile. litmus: guard+free
	 */
	kick_all_cpus_sync();
}

notrace __kprobes const struct rr_guarded *rr_guard_published(void)
{
	/*
	 * The fetch of the breakpoint before the pointer: a trap orders them
	 * no more than a branch would. Pairs with the barrier in
	 * rr_guard_publish(). litmus: guard+publish
	 */
	smp_rmb();
	/* Pairs with the release in rr_guard_publish(). litmus: guard+publish */
	return smp_load_acquire(&guarded);
}

/*
 * What was written before is seen by every task that goes on afterwards, and
 * what is written after by none that was preempted before.
 * litmus: guard+tasks
 */
void rr_synchronize_rcu_tasks(void)
{
	synchronize_rcu_tasks();
}
