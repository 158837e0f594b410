// SPDX-License-Identifier: GPL-2.0
/*
 * What the handler of patching's breakpoints looks at. It runs in any context,
 * at the first instruction of a function that may be the kernel crate's own
 * atomics: nothing here is traced or probed.
 */
#include <linux/atomic.h>
#include <linux/kprobes.h>
#include <linux/rcupdate.h>

#include "helpers.h"

static const void *guarded_edits;
static size_t guarded_count;

/* Before any breakpoint of these edits is written. */
void rr_guard_publish(const void *edits, size_t count)
{
	guarded_count = count;
	/* The count before the pointer to what it counts. litmus: message */
	smp_store_release(&guarded_edits, edits);
}

/*
 * After a grace period since the last breakpoint went away: its handler has
 * interrupts off.
 */
void rr_guard_withdraw(void)
{
	WRITE_ONCE(guarded_edits, NULL);
}

notrace __kprobes const void *rr_guard_edits(size_t *count)
{
	/* Pairs with the release in rr_guard_publish(). litmus: message */
	const void *edits = smp_load_acquire(&guarded_edits);

	*count = guarded_count;
	return edits;
}

/*
 * What was written before is seen by every task that goes on afterwards, and
 * what is written after by none that was preempted before.
 * litmus: fault+unregister
 */
void rr_synchronize_rcu_tasks(void)
{
	synchronize_rcu_tasks();
}
