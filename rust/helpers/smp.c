// SPDX-License-Identifier: GPL-2.0
#include <linux/cleanup.h>
#include <linux/preempt.h>
#include <linux/sched.h>
#include <asm/cacheflush.h>

#include "helpers.h"

/*
 * The kernel has the data fence before the message to the other harts, which can
 * be a store to a device: "w" before "o". litmus: flush
 */
void rr_flush_icache_all(void)
{
	/*
	 * Firmware is handed the CPUs that are online now, and waits for each. None
	 * can go offline with preemption off; the kernel sees to that with our hooks.
	 */
	guard(preempt)();
	flush_icache_all();
}

void rr_migrate_disable(void)
{
	migrate_disable();
}

void rr_migrate_enable(void)
{
	migrate_enable();
}
