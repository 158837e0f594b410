// SPDX-License-Identifier: GPL-2.0
/* Helpers of the suites of faults: an address space, and a count of calls of do_trap(). */
#include <linux/ftrace.h>
#include <linux/kprobes.h>
#include <linux/kthread.h>
#include <linux/lockdep.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/mmap_lock.h>
#include <linux/preempt.h>
#include <linux/uaccess.h>
#include <linux/vmstat.h>
#include <kunit/test.h>
#include <rust_riscv/fault.h>

#include "helpers.h"

int rust_riscv_test_attach_mm(void)
{
	return kunit_attach_mm();
}

struct mm_struct *rust_riscv_test_mm(void)
{
	return current->mm;
}

void rust_riscv_test_use_mm(struct mm_struct *mm)
{
	kthread_use_mm(mm);
}

void rust_riscv_test_unuse_mm(struct mm_struct *mm)
{
	kthread_unuse_mm(mm);
}

unsigned long rust_riscv_test_mmap(unsigned long addr, unsigned long len,
				   unsigned long prot, unsigned long flags)
{
	return vm_mmap(NULL, addr, len, prot, flags, 0);
}

int rust_riscv_test_munmap(unsigned long addr, unsigned long len)
{
	return vm_munmap(addr, len);
}

/* No exported function changes permissions: look up the system call. */
int rust_riscv_test_mprotect(unsigned long addr, unsigned long len, unsigned long prot)
{
	static long (*sys_mprotect)(const struct pt_regs *regs);
	struct pt_regs regs = { .orig_a0 = addr, .a0 = addr, .a1 = len, .a2 = prot };

	if (!READ_ONCE(sys_mprotect)) {
		struct kprobe probe = {
			.symbol_name = "__riscv_sys_mprotect",
			.flags = KPROBE_FLAG_DISABLED,
		};
		int err = register_kprobe(&probe);

		if (err)
			return err;
		WRITE_ONCE(sys_mprotect, (void *)probe.addr);
		unregister_kprobe(&probe);
	}
	return sys_mprotect(&regs);
}

int rust_riscv_test_put_user(unsigned long addr)
{
	return put_user(1, (char __user *)addr);
}

static int readers(const struct vm_area_struct *vma)
{
#ifdef CONFIG_PER_VMA_LOCK
	/* One reference is for being attached. */
	return refcount_read(&vma->vm_refcnt) - 1;
#else
	return 0;
#endif
}

int rust_riscv_test_vma_readers(unsigned long addr)
{
	struct vm_area_struct *vma;
	int count;

	/* A trylock, since the caller may hold the VMA lock: the wrong lock order. */
	while (!mmap_read_trylock(current->mm))
		cpu_relax();
	vma = vma_lookup(current->mm, addr);
	count = vma ? readers(vma) : -1;
	mmap_read_unlock(current->mm);
	return count;
}

int rust_riscv_test_locks_held(void)
{
	return lockdep_depth(current);
}

void rust_riscv_test_vma_end_read(struct vm_area_struct *vma)
{
	vma_end_read(vma);
}

unsigned long rust_riscv_test_vma_lock_success(void)
{
#ifdef CONFIG_PER_VMA_LOCK_STATS
	static unsigned long events[NR_VM_EVENT_ITEMS];

	all_vm_events(events);
	return events[VMA_LOCK_SUCCESS];
#else
	return 0;
#endif
}

static struct rust_riscv_test_trap trap;
static struct task_struct *watched;

/* Not a kprobe, since its breakpoint would set bad_cause. */
static void note_trap(unsigned long ip, unsigned long parent_ip,
		      struct ftrace_ops *ops, struct ftrace_regs *fregs)
{
	if (current != watched)
		return;
	trap.calls++;
	/* Skip the call: a kernel thread gets no signal. */
	ftrace_override_function_with_return(fregs);
}

static struct ftrace_ops watch = {
	.func = note_trap,
	.flags = FTRACE_OPS_FL_IPMODIFY,
};

int rust_riscv_test_watch(void)
{
	int err;

	watched = current;
	current->thread.bad_cause = 0;
	trap = (struct rust_riscv_test_trap) { };
	err = ftrace_set_filter(&watch, "do_trap", strlen("do_trap"), 1);
	return err ?: register_ftrace_function(&watch);
}

struct rust_riscv_test_trap rust_riscv_test_unwatch(void)
{
	unregister_ftrace_function(&watch);
	trap.bad_cause = current->thread.bad_cause;
	return trap;
}

unsigned long rust_riscv_test_current(void)
{
	return (unsigned long)current;
}

unsigned int rust_riscv_test_cpu(void)
{
	return raw_smp_processor_id();
}

void rust_riscv_test_cond_resched(void)
{
	cond_resched();
}

void rust_riscv_test_preempt_disable(void)
{
	preempt_disable();
}

void rust_riscv_test_preempt_enable(void)
{
	preempt_enable();
}

#ifdef CONFIG_FAULT_INJECTION
void rust_riscv_test_fail_next(void)
{
	WRITE_ONCE(current->fail_nth, 1);
}

bool rust_riscv_test_failed(void)
{
	bool failed = !READ_ONCE(current->fail_nth);

	WRITE_ONCE(current->fail_nth, 0);
	return failed;
}
#else
void rust_riscv_test_fail_next(void)
{
}

bool rust_riscv_test_failed(void)
{
	return false;
}
#endif

int rust_riscv_test_check_access(unsigned long cause, unsigned long vm_flags,
				 unsigned long addr, struct rust_riscv_test_trap *trap)
{
	struct rust_riscv_fault_siginfo info = {};
	int access = rust_riscv_fault_check_access(cause, vm_flags, addr, &info);

	trap->signal = info.signal;
	trap->code = info.code;
	trap->addr = info.address;
	trap->bad_cause = info.bad_cause;
	if (rust_riscv_fault_check_access(cause, vm_flags, addr, NULL) != access)
		return -EINVAL;
	return access;
}
