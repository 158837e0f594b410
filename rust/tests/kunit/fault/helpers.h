/* SPDX-License-Identifier: GPL-2.0 */
/* Helpers of the suites of faults: an address space, and a count of calls of do_trap(). */
#ifndef RUST_RISCV_TESTS_FAULT_HELPERS_H
#define RUST_RISCV_TESTS_FAULT_HELPERS_H

#include <uapi/asm-generic/mman.h>
#include <linux/types.h>

struct mm_struct;
struct vm_area_struct;

/* Attach a new address space to this kernel thread, until it exits. */
int rust_riscv_test_attach_mm(void);
struct mm_struct *rust_riscv_test_mm(void);
void rust_riscv_test_use_mm(struct mm_struct *mm);
void rust_riscv_test_unuse_mm(struct mm_struct *mm);

/* Like the system calls of these names. */
unsigned long rust_riscv_test_mmap(unsigned long addr, unsigned long len,
				   unsigned long prot, unsigned long flags);
int rust_riscv_test_munmap(unsigned long addr, unsigned long len);
int rust_riscv_test_mprotect(unsigned long addr, unsigned long len, unsigned long prot);
/* Write a byte with put_user(), which makes a stack grow. */
int rust_riscv_test_put_user(unsigned long addr);

/*
 * Return the number of readers that hold the lock of the VMA at @addr, or -1 if
 * there is no VMA. Holders of mmap_lock do not count.
 */
int rust_riscv_test_vma_readers(unsigned long addr);
/* Return the number of locks that this task holds; 0 without lockdep. */
int rust_riscv_test_locks_held(void);
void rust_riscv_test_vma_end_read(struct vm_area_struct *vma);

/* Return vma_lock_success of /proc/vmstat. */
unsigned long rust_riscv_test_vma_lock_success(void);

/* The fields of a signal, and the number of calls of do_trap() by this task. */
struct rust_riscv_test_trap {
	unsigned long calls;
	int signal;
	int code;
	unsigned long addr;
	unsigned long bad_cause;
};

/* Count this task's calls of do_trap() and skip them, until unwatch. */
int rust_riscv_test_watch(void);
struct rust_riscv_test_trap rust_riscv_test_unwatch(void);

unsigned long rust_riscv_test_current(void);
unsigned int rust_riscv_test_cpu(void);
void rust_riscv_test_cond_resched(void);
void rust_riscv_test_preempt_disable(void);
void rust_riscv_test_preempt_enable(void);

/* Make this task's next allocation fail; stop, and return whether one has failed. */
void rust_riscv_test_fail_next(void);
bool rust_riscv_test_failed(void);

/* Call the C API as a C module does. Returns the access, and fills @trap from the siginfo. */
int rust_riscv_test_check_access(unsigned long cause, unsigned long vm_flags,
				 unsigned long addr, struct rust_riscv_test_trap *trap);

#endif
