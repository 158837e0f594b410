/* SPDX-License-Identifier: GPL-2.0 */
/* What the suites of faults need from C: an address space, and an eye on do_trap(). */
#ifndef RUST_RISCV_TESTS_FAULT_HELPERS_H
#define RUST_RISCV_TESTS_FAULT_HELPERS_H

#include <uapi/asm-generic/mman.h>
#include <linux/types.h>

struct mm_struct;
struct vm_area_struct;

/* Give this kernel thread an address space of its own, until it ends. */
int rust_riscv_test_attach_mm(void);
struct mm_struct *rust_riscv_test_mm(void);
void rust_riscv_test_use_mm(struct mm_struct *mm);
void rust_riscv_test_unuse_mm(struct mm_struct *mm);

/* As the system calls; at an address below 4096: an errno. */
unsigned long rust_riscv_test_mmap(unsigned long addr, unsigned long len,
				   unsigned long prot, unsigned long flags);
int rust_riscv_test_munmap(unsigned long addr, unsigned long len);
int rust_riscv_test_mprotect(unsigned long addr, unsigned long len, unsigned long prot);
/* Write a byte as uaccess does it, which makes a stack grow. */
int rust_riscv_test_put_user(unsigned long addr);

/*
 * How many hold the lock of the VMA at @addr, those of mmap_lock aside; -1 if
 * there is no VMA.
 */
int rust_riscv_test_vma_readers(unsigned long addr);
/* How many locks this task holds, as lockdep sees it; 0 without lockdep. */
int rust_riscv_test_locks_held(void);
void rust_riscv_test_vma_end_read(struct vm_area_struct *vma);

/* The sum of vma_lock_success in /proc/vmstat. */
unsigned long rust_riscv_test_vma_lock_success(void);

/* What a signal would have, and how often this task has called do_trap(). */
struct rust_riscv_test_trap {
	unsigned long calls;
	int signal;
	int code;
	unsigned long addr;
	unsigned long bad_cause;
};

/* From now on this task's calls of do_trap() are counted, and not made. */
int rust_riscv_test_watch(void);
struct rust_riscv_test_trap rust_riscv_test_unwatch(void);

unsigned long rust_riscv_test_current(void);
unsigned int rust_riscv_test_cpu(void);
void rust_riscv_test_cond_resched(void);
void rust_riscv_test_preempt_disable(void);
void rust_riscv_test_preempt_enable(void);

/* Let the next allocation of this task fail; end that: whether one did. */
void rust_riscv_test_fail_next(void);
bool rust_riscv_test_failed(void);

/* rust_riscv/fault.h, as a C module calls it: the verdict, and the report's fields. */
int rust_riscv_test_judge(unsigned long cause, unsigned long vm_flags,
			  unsigned long addr, struct rust_riscv_test_trap *trap);

#endif
