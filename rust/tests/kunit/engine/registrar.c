// SPDX-License-Identifier: GPL-2.0
/*
 * A task that registers a kprobe, and pauses when the kprobe's instruction has
 * been copied. register_kprobe() then calls cpus_read_unlock(), right after it has
 * released text_mutex: a tracer of that function makes the task wait there.
 */
#include <linux/cpumask.h>
#include <linux/err.h>
#include <linux/ftrace.h>
#include <linux/iopoll.h>
#include <linux/kthread.h>
#include <linux/sched/task.h>
#include <linux/smp.h>
#include <linux/string.h>
#include <linux/timex.h>
#include <asm/delay.h>

#include "../support/helpers.h"

/* Without CPU hotplug, cpus_read_unlock() is an empty inline function. */
#if defined(CONFIG_DYNAMIC_FTRACE) && defined(CONFIG_HOTPLUG_CPU) && defined(CONFIG_KPROBES)
/* The task while it registers the kprobe. */
static struct task_struct *registering;
static struct task_struct *registrar;
static bool paused, resumed, late;

static void pause_once(unsigned long ip, unsigned long parent, struct ftrace_ops *ops,
		       struct ftrace_regs *fregs)
{
	/* 10 s: less than it takes the kernel to complain. */
	u64 end = get_cycles64() + 10ULL * riscv_timebase;

	if (current != READ_ONCE(registering) || READ_ONCE(paused))
		return;
	WRITE_ONCE(paused, true);
	while (!READ_ONCE(resumed)) {
		if (get_cycles64() > end) {
			WRITE_ONCE(late, true);
			return;
		}
		cpu_relax();
	}
}

static struct ftrace_ops pause_ops = {
	.func = pause_once,
};

static int register_probe(void *addr)
{
	int ret;

	WRITE_ONCE(registering, current);
	ret = rust_riscv_test_probe_register(addr);
	WRITE_ONCE(registering, NULL);
	return ret;
}

static int start_pausing(void)
{
	char name[] = "cpus_read_unlock";
	int err = ftrace_set_filter(&pause_ops, name, strlen(name), 1);

	if (!err)
		err = register_ftrace_function(&pause_ops);
	if (err)
		ftrace_free_filter(&pause_ops);
	return err;
}

static void stop_pausing(void)
{
	unregister_ftrace_function(&pause_ops);
	ftrace_free_filter(&pause_ops);
}

int rust_riscv_test_probe_register_begin(void *addr)
{
	unsigned int cpu = cpumask_any_but(cpu_online_mask, raw_smp_processor_id());
	bool now;
	int err;

	if (cpu >= nr_cpu_ids)
		return -EINVAL;
	paused = false;
	resumed = false;
	late = false;
	err = start_pausing();
	if (err)
		return err;
	registrar = kthread_create_on_cpu(register_probe, addr, cpu, "rust_riscv_test/%u");
	if (IS_ERR(registrar)) {
		stop_pausing();
		return PTR_ERR(registrar);
	}
	get_task_struct(registrar);
	wake_up_process(registrar);

	if (!read_poll_timeout(READ_ONCE, now, now, USEC_PER_MSEC, 10 * USEC_PER_SEC, false,
			       paused))
		return 0;
	err = rust_riscv_test_probe_register_end();
	if (!err)
		rust_riscv_test_probe_unregister();
	return err ?: -ETIMEDOUT;
}

int rust_riscv_test_probe_register_end(void)
{
	int ret;

	WRITE_ONCE(resumed, true);
	ret = kthread_stop_put(registrar);
	stop_pausing();
	if (!ret && late) {
		rust_riscv_test_probe_unregister();
		return -ETIMEDOUT;
	}
	return ret;
}
#else
int rust_riscv_test_probe_register_begin(void *addr)
{
	return -EOPNOTSUPP;
}

int rust_riscv_test_probe_register_end(void)
{
	return -EOPNOTSUPP;
}
#endif
