// SPDX-License-Identifier: GPL-2.0
/* A function that counts its calls, and kprobes, tracers and a static key that do the same. */
#include <linux/atomic.h>
#include <linux/cpu.h>
#include <linux/err.h>
#include <linux/ftrace.h>
#include <linux/jump_label.h>
#include <linux/kprobes.h>
#include <linux/kthread.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/smp.h>

#include "helpers.h"

static atomic_long_t calls, key_hits;
static DEFINE_STATIC_KEY_FALSE(key);

static noinline void counted(void)
{
#ifdef CONFIG_RISCV_ISA_C
	/* Align with .option rvc, which uses a c.nop; without it, zeroes would be inserted. */
	asm volatile(".option push\n"
		     ".option norelax\n"
		     ".option rvc\n"
		     ".balign 4\n"
		     ".option norvc\n"
		     "rust_riscv_counts_word:\n"
		     "	nop\n"
		     ".option rvc\n"
		     "rust_riscv_counts_half:\n"
		     "	c.nop\n"
		     ".option norvc\n"
		     "rust_riscv_counts_unaligned:\n"
		     "	nop\n"
		     ".option pop\n");
#else
	/* All instructions are aligned, and of 4 bytes. */
	asm volatile("rust_riscv_counts_word:\n"
		     "	nop\n"
		     "rust_riscv_counts_half:\n"
		     "	nop\n"
		     "rust_riscv_counts_unaligned:\n"
		     "	nop\n");
#endif
	if (static_branch_unlikely(&key))
		atomic_long_inc(&key_hits);
}

struct counting_probe {
	struct kprobe probe;
	atomic_long_t hits;
	unsigned long missed;
};

static struct counting_probe probes[RUST_RISCV_COUNTS_PROBES];

static int count_probe(struct kprobe *probe, struct pt_regs *regs)
{
	atomic_long_inc(&container_of(probe, struct counting_probe, probe)->hits);
	return 0;
}

int rust_riscv_counts_probe_on(unsigned int which)
{
	static char * const points[RUST_RISCV_COUNTS_PROBES] = {
		rust_riscv_counts_word, rust_riscv_counts_half, rust_riscv_counts_unaligned,
	};

	probes[which].probe = (struct kprobe) {
		.addr = (kprobe_opcode_t *)points[which],
		.pre_handler = count_probe,
	};
	return register_kprobe(&probes[which].probe);
}

void rust_riscv_counts_probe_off(unsigned int which)
{
	unregister_kprobe(&probes[which].probe);
	probes[which].missed += probes[which].probe.nmissed;
	probes[which].probe.nmissed = 0;
}

unsigned long rust_riscv_counts_probe_hits(unsigned int which)
{
	return atomic_long_read(&probes[which].hits) + probes[which].missed +
	       probes[which].probe.nmissed;
}

struct counting_tracer {
	struct ftrace_ops ops;
	atomic_long_t hits;
};

static struct counting_tracer tracers[RUST_RISCV_COUNTS_TRACERS];

static void count_trace(unsigned long ip, unsigned long parent, struct ftrace_ops *ops,
			struct ftrace_regs *fregs)
{
	atomic_long_inc(&container_of(ops, struct counting_tracer, ops)->hits);
}

int rust_riscv_counts_tracer_on(unsigned int which)
{
	struct ftrace_ops *ops = &tracers[which].ops;
	int err;

	ops->func = count_trace;
	err = ftrace_set_filter_ip(ops, (unsigned long)counted, 0, 0);
	return err ?: register_ftrace_function(ops);
}

int rust_riscv_counts_tracer_off(unsigned int which)
{
	struct ftrace_ops *ops = &tracers[which].ops;
	int err = unregister_ftrace_function(ops);

	ftrace_free_filter(ops);
	return err;
}

unsigned long rust_riscv_counts_tracer_hits(unsigned int which)
{
	return atomic_long_read(&tracers[which].hits);
}

void rust_riscv_counts_key_set(bool on)
{
	if (on)
		static_branch_enable(&key);
	else
		static_branch_disable(&key);
}

unsigned long rust_riscv_counts_key_hits(void)
{
	return atomic_long_read(&key_hits);
}

unsigned long rust_riscv_counts_calls(void)
{
	return atomic_long_read(&calls);
}

void rust_riscv_counts_call(unsigned int times)
{
	for (unsigned int i = 0; i < times; i++)
		counted();
	atomic_long_add(times, &calls);
}

static void call_here(void *times)
{
	rust_riscv_counts_call((unsigned long)times);
}

void rust_riscv_counts_call_everywhere(unsigned int times)
{
	on_each_cpu(call_here, (void *)(unsigned long)times, true);
}

static struct task_struct *callers[NR_CPUS];

static int caller(void *unused)
{
	while (!kthread_should_stop()) {
		rust_riscv_counts_call(64);
		/* Otherwise an RCU-tasks grace period would never end. */
		cond_resched_tasks_rcu_qs();
	}
	return 0;
}

int rust_riscv_counts_callers_start(void)
{
	unsigned int cpu, here = get_cpu();

	put_cpu();
	for_each_online_cpu(cpu) {
		struct task_struct *task;

		if (cpu == here)
			continue;
		task = kthread_create_on_cpu(caller, NULL, cpu, "rust_riscv_counts/%u");
		if (IS_ERR(task)) {
			rust_riscv_counts_callers_stop();
			return PTR_ERR(task);
		}
		callers[cpu] = get_task_struct(task);
		wake_up_process(task);
	}
	return 0;
}

void rust_riscv_counts_callers_stop(void)
{
	unsigned int cpu;

	for_each_possible_cpu(cpu) {
		if (callers[cpu])
			kthread_stop_put(callers[cpu]);
		callers[cpu] = NULL;
	}
}
