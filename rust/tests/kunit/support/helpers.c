// SPDX-License-Identifier: GPL-2.0
/* Helpers of several suites: kernel threads, CPUs, a kprobe, and injected failures. */
#include <linux/cpu.h>
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/jiffies.h>
#include <linux/kprobes.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/smp.h>
#include <linux/uaccess.h>

#include "helpers.h"

struct call {
	unsigned long (*fn)(void);
	unsigned long result;
};

static void call_here(void *info)
{
	struct call *call = info;

	call->result = call->fn();
}

unsigned long rust_riscv_test_call_on(unsigned int cpu, unsigned long (*fn)(void))
{
	struct call call = { .fn = fn, .result = ULONG_MAX };

	smp_call_function_single(cpu, call_here, &call, 1);
	return call.result;
}

static void do_nothing(void *info)
{
}

unsigned long rust_riscv_test_ask_everybody(void)
{
	preempt_disable();
	/* Long enough for the other CPUs to reach the rendezvous. */
	mdelay(5);
	smp_call_function(do_nothing, NULL, true);
	preempt_enable();
	return 0;
}

unsigned long rust_riscv_test_jiffies(void)
{
	return jiffies;
}

struct task_struct *rust_riscv_test_thread_start(unsigned int cpu,
						 int (*fn)(void *data), void *data)
{
	struct task_struct *task;

	task = kthread_create_on_cpu(fn, data, cpu, "rust_riscv_test/%u");
	if (IS_ERR(task))
		return NULL;
	get_task_struct(task);
	wake_up_process(task);
	return task;
}

void rust_riscv_test_thread_stop(struct task_struct *task)
{
	kthread_stop_put(task);
}

bool rust_riscv_test_thread_should_stop(void)
{
	/* A task that never sleeps must report quiescent states of RCU-tasks. */
	cond_resched_tasks_rcu_qs();
	return kthread_should_stop();
}

bool rust_riscv_test_cpu_is_online(unsigned int cpu)
{
	return cpu_online(cpu);
}

int rust_riscv_test_cpu_down(unsigned int cpu)
{
	return remove_cpu(cpu);
}

int rust_riscv_test_cpu_up(unsigned int cpu)
{
	int tries, ret;

	/*
	 * A CPU is reported offline before its hart has stopped, and cannot be
	 * started until then: the firmware reports that the hart is stopping
	 * (EINVAL), or even that it is started, which sbi_err_map_linux_errno()
	 * maps to ENOTSUPP. If the host is busy, this takes a while.
	 */
	for (tries = 0; tries < 1500; tries++) {
		ret = add_cpu(cpu);
		if (ret != -ENOTSUPP && ret != -EINVAL)
			break;
		msleep(20);
	}
	if (ret)
		pr_err("CPU%u does not come up after %d tries: %d\n", cpu, tries, ret);
	return ret;
}

static atomic_long_t probe_hits;

static int count_hit(struct kprobe *probe, struct pt_regs *regs)
{
	atomic_long_inc(&probe_hits);
	return 0;
}

static struct kprobe probe;

int rust_riscv_test_probe_register(void *addr)
{
	atomic_long_set(&probe_hits, 0);
	probe = (struct kprobe) {
		.addr = addr,
		.pre_handler = count_hit,
		.flags = KPROBE_FLAG_DISABLED,
	};
	return register_kprobe(&probe);
}

int rust_riscv_test_probe_enable(bool on)
{
	return on ? enable_kprobe(&probe) : disable_kprobe(&probe);
}

/*
 * Marks the disabled probe as kprobes does when the module with its instruction is
 * removed, or takes the mark away.
 */
void rust_riscv_test_probe_set_gone(bool gone)
{
	if (gone)
		probe.flags |= KPROBE_FLAG_GONE;
	else
		probe.flags &= ~KPROBE_FLAG_GONE;
}

unsigned long rust_riscv_test_probe_hits(void)
{
	return atomic_long_read(&probe_hits);
}

void rust_riscv_test_probe_unregister(void)
{
	unregister_kprobe(&probe);
}

static struct kprobe second_probe;

int rust_riscv_test_second_probe_register(void *addr, bool enabled)
{
	second_probe = (struct kprobe) {
		.addr = addr,
		.flags = enabled ? 0 : KPROBE_FLAG_DISABLED,
	};
	return register_kprobe(&second_probe);
}

void rust_riscv_test_second_probe_unregister(void)
{
	unregister_kprobe(&second_probe);
}

#ifdef CONFIG_FAULT_INJECTION
void rust_riscv_test_fail_nth(unsigned int nth)
{
	WRITE_ONCE(current->fail_nth, nth);
}

bool rust_riscv_test_has_failed(void)
{
	bool failed = !READ_ONCE(current->fail_nth);

	WRITE_ONCE(current->fail_nth, 0);
	return failed;
}
#else
void rust_riscv_test_fail_nth(unsigned int nth)
{
}

bool rust_riscv_test_has_failed(void)
{
	return false;
}
#endif

bool rust_riscv_test_allocate(void)
{
	void *memory = kmalloc(64, GFP_KERNEL);

	kfree(memory);
	return memory;
}

/* Does not call any function, since a function could be traced. */
notrace __kprobes bool rust_riscv_test_can_write(void *addr, u8 byte)
{
	bool can = false;

	pagefault_disable();
	__put_kernel_nofault(addr, &byte, u8, no);
	can = true;
no:
	pagefault_enable();
	return can;
}

int rust_riscv_test_module_refs(void)
{
	return THIS_MODULE ? module_refcount(THIS_MODULE) : 0;
}
