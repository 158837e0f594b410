// SPDX-License-Identifier: GPL-2.0
/* Flushes of instruction caches and TLBs, and the state of CPUs and of the current task. */
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

static void fence_i(void *unused)
{
	local_flush_icache_all();
}

/*
 * flush_icache_all() orders earlier stores before the message to the other
 * harts, which can be a store to a device: "w" before "o". litmus: flush
 */
void rust_riscv_flush_icache_all(void)
{
	/*
	 * The firmware is passed the CPUs that are online now, and waits for each of
	 * them. With preemption off none can go offline. (With our hooks, the kernel
	 * ensures that.)
	 */
	guard(preempt)();
	/*
	 * A CPU that comes online flushes its instruction cache itself, after it has
	 * set its bit in cpu_online_mask: we find the bit, or it finds the text.
	 * litmus: flush+online
	 */
	smp_mb();
	/* flush_icache_all() flushes no other CPU if it counts fewer than two online. */
	if (num_online_cpus() < 2)
		on_each_cpu(fence_i, NULL, true);
	else
		flush_icache_all();
}

/*
 * Like rust_riscv_flush_icache_all(), but always by an interrupt. A CPU that handles a
 * breakpoint or a misaligned access of the kernel takes it only after it has
 * left that trap. (The handler of page faults enables interrupts, and so may
 * take it earlier.)
 */
void rust_riscv_interrupt_and_flush_icache_all(void)
{
	/*
	 * Order the text before the message, which can be a store to a device, as in
	 * flush_icache_all(); before reading which CPUs are online; and before what
	 * is written when no CPU is in such a trap any more.
	 * litmus: flush+online, flush, probe+removed
	 */
	RISCV_FENCE(w, orw);
	on_each_cpu(fence_i, NULL, true);
}

/* The kernel's functions, since some harts' errata need more than sfence.vma. */
notrace __kprobes void rust_riscv_local_flush_tlb_page(unsigned long addr)
{
	local_flush_tlb_page(addr);
}

notrace __kprobes void rust_riscv_local_flush_tlb_all(void)
{
	local_flush_tlb_all();
}

/* Whether @cpu, which may be any number, exists and is online. */
bool rust_riscv_cpu_is_online(unsigned int cpu)
{
	return cpu < nr_cpu_ids && cpu_online(cpu);
}

void rust_riscv_set_current_state(unsigned int state)
{
	set_current_state(state);
}

void rust_riscv_migrate_disable(void)
{
	migrate_disable();
}

void rust_riscv_migrate_enable(void)
{
	migrate_enable();
}
