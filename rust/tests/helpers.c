// SPDX-License-Identifier: GPL-2.0
#include <linux/cpu.h>
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/kprobes.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/smp.h>
#include <linux/stop_machine.h>
#include <linux/string.h>
#include <linux/text-patching.h>
#include <linux/timex.h>
#include <asm/delay.h>

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

unsigned long rr_test_call_on(unsigned int cpu, unsigned long (*fn)(void))
{
	struct call call = { .fn = fn, .result = ULONG_MAX };

	smp_call_function_single(cpu, call_here, &call, 1);
	return call.result;
}

struct task_struct *rr_test_thread_start(unsigned int cpu,
					 int (*fn)(void *data), void *data)
{
	struct task_struct *task;

	task = kthread_create_on_cpu(fn, data, cpu, "rr_test/%u");
	if (IS_ERR(task))
		return NULL;
	get_task_struct(task);
	wake_up_process(task);
	return task;
}

void rr_test_thread_stop(struct task_struct *task)
{
	kthread_stop_put(task);
}

bool rr_test_thread_should_stop(void)
{
	/* A task that is always busy must say when it is in nobody's code. */
	cond_resched_tasks_rcu_qs();
	return kthread_should_stop();
}

bool rr_test_cpu_is_online(unsigned int cpu)
{
	return cpu_online(cpu);
}

int rr_test_cpu_down(unsigned int cpu)
{
	return remove_cpu(cpu);
}

int rr_test_cpu_up(unsigned int cpu)
{
	int tries, ret;

	/*
	 * A hart tells that it stops before it has. Where harts are threads of
	 * a busy host that takes a while, and until then it cannot be started.
	 */
	for (tries = 0; tries < 200; tries++) {
		ret = add_cpu(cpu);
		if (!ret)
			break;
		msleep(20);
	}
	return ret;
}

static atomic_long_t probe_hits;

static int count_hit(struct kprobe *probe, struct pt_regs *regs)
{
	atomic_long_inc(&probe_hits);
	return 0;
}

static struct kprobe probe;

int rr_test_probe_register(void *addr)
{
	atomic_long_set(&probe_hits, 0);
	probe = (struct kprobe) {
		.addr = addr,
		.pre_handler = count_hit,
		.flags = KPROBE_FLAG_DISABLED,
	};
	return register_kprobe(&probe);
}

unsigned long rr_test_probe_hits(void)
{
	return atomic_long_read(&probe_hits);
}

void rr_test_probe_unregister(void)
{
	unregister_kprobe(&probe);
}

#ifdef CONFIG_FAULT_INJECTION
void rr_test_fail_nth(unsigned int nth)
{
	WRITE_ONCE(current->fail_nth, nth);
}

bool rr_test_has_failed(void)
{
	bool failed = !READ_ONCE(current->fail_nth);

	WRITE_ONCE(current->fail_nth, 0);
	return failed;
}
#else
void rr_test_fail_nth(unsigned int nth)
{
}

bool rr_test_has_failed(void)
{
	return false;
}
#endif

bool rr_test_allocate(void)
{
	void *memory = kmalloc(64, GFP_KERNEL);

	kfree(memory);
	return memory;
}

int rr_test_module_refs(void)
{
	return module_refcount(THIS_MODULE);
}

#ifdef RUST_RISCV_TEXT_HOOKS
/* Like the kernel's own users, with what they hold. */
int rr_test_kernel_writes(enum rr_test_call call, void *addr,
			  const void *insns, size_t len)
{
	int ret = -EINVAL;

	patch_text_lock();
	switch (call) {
	case RR_TEST_INSN_WRITE:
		ret = patch_insn_write(addr, insns, len);
		break;
	case RR_TEST_NOSYNC:
		ret = patch_text_nosync(addr, insns, len);
		break;
	case RR_TEST_SET:
		ret = patch_text_set_nosync(addr, *(const u8 *)insns, len);
		break;
	case RR_TEST_PATCH:
		ret = patch_text(addr, (u32 *)insns, len);
		break;
	case RR_TEST_QUEUE:
		ret = patch_text_queue(addr, insns, len, false);
		break;
	case RR_TEST_QUEUE_FIRST:
		ret = patch_text_queue(addr, insns, len, true);
		break;
	}
	if (call == RR_TEST_INSN_WRITE)
		patch_text_sync();
	patch_text_unlock();
	return ret;
}

/* What is queued stays so until here: the lock is not taken through rr_text. */
int rr_test_kernel_queues(const struct rr_test_write *writes, size_t count)
{
	size_t n;
	int ret = 0;

	patch_text_lock();
	for (n = 0; n < count && !ret; n++)
		ret = patch_text_queue(writes[n].addr, writes[n].insns,
				       writes[n].len, writes[n].first);
	patch_text_sync();
	patch_text_unlock();
	return ret;
}

static int write_nothing(struct riscv_patch_provider *self, void *addr,
			 const void *insns, size_t len, bool sync)
{
	return -EOPNOTSUPP;
}

/* Whether a second provider is refused. */
int rr_test_second_provider(void)
{
	static struct riscv_patch_provider second = {
		.write = write_nothing,
	};
	int ret = riscv_patch_provider_register(&second);

	if (!ret)
		riscv_patch_provider_unregister(&second);
	return ret;
}
#endif

static atomic_t flushed;

static void flush_there(void *info)
{
	atomic_set(&flushed, 1);
}

static int flush_inside(void *data)
{
	static call_single_data_t csd = CSD_INIT(flush_there, NULL);
	unsigned int *asked = data;
	u64 end;

	if (smp_processor_id() != cpumask_first(cpu_online_mask))
		return 0;
	*asked = cpumask_next(smp_processor_id(), cpu_online_mask);
	if (smp_call_function_single_async(*asked, &csd))
		return -EBUSY;
	/* A provider that waits would wait here for ever. */
	end = get_cycles64() + riscv_timebase / 5;
	while (get_cycles64() < end && !atomic_read(&flushed))
		cpu_relax();
	return atomic_read(&flushed);
}

/*
 * Stop the machine and flush another CPU's icache by an IPI from inside.
 *
 * Returns 0 if it was not answered as long as the machine stood still, though
 * it was right after; 1 if it was answered; else an error.
 */
int rr_test_flush_inside_stop(void)
{
	unsigned int asked = nr_cpu_ids;
	int ret;

	atomic_set(&flushed, 0);
	ret = stop_machine(flush_inside, &asked, cpu_online_mask);
	if (ret)
		return ret;
	/* Another function there runs after the first. */
	smp_call_function_single(asked, flush_there, NULL, 1);
	return atomic_read(&flushed) ? 0 : -EIO;
}
