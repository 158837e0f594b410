// SPDX-License-Identifier: GPL-2.0
#include <linux/cleanup.h>
#include <linux/cpumask.h>
#include <linux/kprobes.h>
#include <linux/preempt.h>
#include <linux/sched.h>
#include <linux/smp.h>
#include <asm/barrier.h>
#include <asm/cacheflush.h>
#include <asm/tlbflush.h>

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

static void fence_i(void *unused)
{
	local_flush_icache_all();
}

/*
 * As rr_flush_icache_all(), but by an interrupt, which a CPU that handles a
 * breakpoint or a misaligned access of the kernel takes after it has left that
 * trap. (Not so a page fault, whose handler switches interrupts on.)
 */
void rr_interrupt_and_flush_icache_all(void)
{
	/*
	 * Text before the message, as in flush_icache_all(), and before what is
	 * written when nobody is in such a trap any more. litmus: flush, probe+removed
	 */
	RISCV_FENCE(w, ow);
	on_each_cpu(fence_i, NULL, true);
}

/* The kernel's, since harts with errata need more than one sfence.vma. */
notrace __kprobes void rr_local_flush_tlb_page(unsigned long addr)
{
	local_flush_tlb_page(addr);
}

notrace __kprobes void rr_local_flush_tlb_all(void)
{
	local_flush_tlb_all();
}

/* Whether there is a CPU of that number, any number, and it is online. */
bool rr_cpu_is_online(unsigned int cpu)
{
	return cpu < nr_cpu_ids && cpu_online(cpu);
}

void rr_set_current_state(unsigned int state)
{
	set_current_state(state);
}

void rr_migrate_disable(void)
{
	migrate_disable();
}

void rr_migrate_enable(void)
{
	migrate_enable();
}
