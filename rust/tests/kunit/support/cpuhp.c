// SPDX-License-Identifier: GPL-2.0
/* CPU hotplug: recording callbacks, and work, calls, timers and wake-ups for a CPU. */
#include <linux/atomic.h>
#include <linux/completion.h>
#include <linux/cpu.h>
#include <linux/cpuhotplug.h>
#include <linux/err.h>
#include <linux/ftrace.h>
#include <linux/irqflags.h>
#include <linux/kthread.h>
#include <linux/smp.h>
#include <linux/timer.h>
#include <linux/tracepoint.h>
#include <linux/workqueue.h>

#include "cpuhp.h"

#define STEPS 4096

static struct rust_riscv_test_step steps[STEPS];
static atomic_t step_count;

/*
 * Record one callback. Tracepoints do nothing on a CPU that is not online yet,
 * so states of the starting section call this themselves.
 */
void rust_riscv_test_note(unsigned int cpu, int target, int state)
{
	unsigned int n = atomic_inc_return(&step_count) - 1;

	if (n >= STEPS)
		return;
	steps[n].cpu = cpu;
	steps[n].ran_on = raw_smp_processor_id();
	steps[n].up = target >= state;
	steps[n].irqs_off = irqs_disabled();
	/* The other fields are valid. Pairs with the acquire in rust_riscv_test_step_at(). */
	smp_store_release(&steps[n].state, state); /* litmus: message */
}

static void on_enter(void *data, unsigned int cpu, int target, int state,
		     int (*fun)(unsigned int cpu))
{
	rust_riscv_test_note(cpu, target, state);
}

static void on_multi_enter(void *data, unsigned int cpu, int target, int state,
			   int (*fun)(unsigned int cpu, struct hlist_node *node),
			   struct hlist_node *node)
{
	rust_riscv_test_note(cpu, target, state);
}

static struct tracepoint *enter, *multi_enter;

static void find(struct tracepoint *tp, void *priv)
{
	if (!strcmp(tp->name, "cpuhp_enter"))
		enter = tp;
	else if (!strcmp(tp->name, "cpuhp_multi_enter"))
		multi_enter = tp;
}

int rust_riscv_test_steps_start(void)
{
	int ret;

	for_each_kernel_tracepoint(find, NULL);
	if (!enter || !multi_enter)
		return -ENOENT;

	memset(steps, 0, sizeof(steps));
	atomic_set(&step_count, 0);
	ret = tracepoint_probe_register(enter, on_enter, NULL);
	if (ret)
		return ret;
	ret = tracepoint_probe_register(multi_enter, on_multi_enter, NULL);
	if (ret)
		tracepoint_probe_unregister(enter, on_enter, NULL);
	return ret;
}

void rust_riscv_test_steps_stop(void)
{
	tracepoint_probe_unregister(multi_enter, on_multi_enter, NULL);
	tracepoint_probe_unregister(enter, on_enter, NULL);
	tracepoint_synchronize_unregister();
}

bool rust_riscv_test_step_at(unsigned int n, struct rust_riscv_test_step *step)
{
	/* 0 is not the number of a state that runs. litmus: message */
	if (n >= STEPS || !smp_load_acquire(&steps[n].state))
		return false;
	*step = steps[n];
	return true;
}

bool rust_riscv_test_irqs_off(void)
{
	return irqs_disabled();
}

struct job {
	struct work_struct work;
	struct timer_list timer;
	struct completion done;
	void (*fn)(void *data);
	void *data;
};

static void run_work(struct work_struct *work)
{
	struct job *job = container_of(work, struct job, work);

	job->fn(job->data);
}

void rust_riscv_test_work_on(unsigned int cpu, void (*fn)(void *data), void *data)
{
	struct job job = { .fn = fn, .data = data };

	INIT_WORK_ONSTACK(&job.work, run_work);
	queue_work_on(cpu, system_percpu_wq, &job.work);
	flush_work(&job.work);
	destroy_work_on_stack(&job.work);
}

static void run_timer(struct timer_list *timer)
{
	struct job *job = container_of(timer, struct job, timer);

	job->fn(job->data);
	complete(&job->done);
}

int rust_riscv_test_timer_on(unsigned int cpu, void (*fn)(void *data), void *data)
{
	struct job job = { .fn = fn, .data = data };
	int ret = -ENXIO;

	init_completion(&job.done);
	timer_setup_on_stack(&job.timer, run_timer, 0);
	job.timer.expires = jiffies + 1;

	/* A timer that is added on an offline CPU would not expire. */
	cpus_read_lock();
	if (cpu_online(cpu)) {
		add_timer_on(&job.timer, cpu);
		ret = 0;
	}
	cpus_read_unlock();

	if (!ret)
		wait_for_completion(&job.done);
	timer_delete_sync(&job.timer);
	timer_destroy_on_stack(&job.timer);
	return ret;
}

int rust_riscv_test_function_on(unsigned int cpu, void (*fn)(void *data), void *data)
{
	return smp_call_function_single(cpu, fn, data, 1);
}

static call_single_data_t sent_calls[2];
static struct job sent_work;
static struct job sleeper;
static struct task_struct *sleeper_task;

void rust_riscv_test_send_call(unsigned int n, unsigned int cpu,
			       void (*fn)(void *data), void *data)
{
	INIT_CSD(&sent_calls[n], fn, data);
	smp_call_function_single_async(cpu, &sent_calls[n]);
}

void rust_riscv_test_send_work(unsigned int cpu, void (*fn)(void *data), void *data)
{
	sent_work.fn = fn;
	sent_work.data = data;
	INIT_WORK(&sent_work.work, run_work);
	queue_work_on(cpu, system_percpu_wq, &sent_work.work);
}

void rust_riscv_test_send_wait(void)
{
	flush_work(&sent_work.work);
}

static int sleep(void *data)
{
	wait_for_completion(&sleeper.done);
	sleeper.fn(sleeper.data);

	set_current_state(TASK_INTERRUPTIBLE);
	while (!kthread_should_stop()) {
		schedule();
		set_current_state(TASK_INTERRUPTIBLE);
	}
	__set_current_state(TASK_RUNNING);
	return 0;
}

int rust_riscv_test_sleeper_start(unsigned int cpu, void (*fn)(void *data), void *data)
{
	sleeper.fn = fn;
	sleeper.data = data;
	init_completion(&sleeper.done);

	sleeper_task = kthread_create_on_cpu(sleep, NULL, cpu, "rust_riscv_sleeper/%u");
	if (IS_ERR(sleeper_task))
		return PTR_ERR(sleeper_task);
	wake_up_process(sleeper_task);
	/* Wait until it sleeps there. */
	while (!swait_active(&sleeper.done.wait))
		schedule_timeout_uninterruptible(1);
	return 0;
}

void rust_riscv_test_sleeper_wake(void)
{
	complete(&sleeper.done);
}

void rust_riscv_test_sleeper_stop(void)
{
	kthread_stop(sleeper_task);
}

static atomic_long_t ftrace_hits;

static void notrace on_function(unsigned long ip, unsigned long parent_ip,
				struct ftrace_ops *ops, struct ftrace_regs *fregs)
{
	atomic_long_inc(&ftrace_hits);
}

static struct ftrace_ops ops = { .func = on_function };

int rust_riscv_test_ftrace_start(void)
{
	/* Two of these are called by the tests. ftrace_set_filter() modifies the strings. */
	char filters[][32] = {
		"vfs_r*", "queue_work_on", "smp_call_function_single",
	};
	unsigned int n;
	int ret;

	for (n = 0; n < ARRAY_SIZE(filters); n++) {
		ret = ftrace_set_filter(&ops, filters[n], strlen(filters[n]), !n);
		if (ret)
			return ret;
	}
	return register_ftrace_function(&ops);
}

void rust_riscv_test_ftrace_stop(void)
{
	unregister_ftrace_function(&ops);
}

unsigned long rust_riscv_test_ftrace_hits(void)
{
	return atomic_long_read(&ftrace_hits);
}
