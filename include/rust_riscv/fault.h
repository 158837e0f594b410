/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The C API that decides whether a page fault of user mode is forbidden. See
 * Documentation/fault-path.rst.
 *
 *	struct rust_riscv_fault_report report;
 *
 *	switch (rust_riscv_fault_judge(regs->cause, vma->vm_flags,
 *				       regs->badaddr, &report)) {
 *	case RUST_RISCV_FAULT_CARRY_ON:
 *		...
 */
#ifndef RUST_RISCV_FAULT_H
#define RUST_RISCV_FAULT_H

enum rust_riscv_fault_verdict {
	/* The VMA allows the access. */
	RUST_RISCV_FAULT_CARRY_ON,
	/* The VMA forbids the access. */
	RUST_RISCV_FAULT_REPORT,
	/* The cause is not that of a page fault. */
	RUST_RISCV_FAULT_NOT_OURS,
};

/* What is reported to a task about a forbidden access. */
struct rust_riscv_fault_report {
	int signal;			/* SIGSEGV */
	int code;			/* si_code: SEGV_ACCERR */
	unsigned long address;		/* si_addr */
	unsigned long bad_cause;	/* thread.bad_cause: the hardware's */
};

/*
 * Decide whether a VMA with @vm_flags forbids an access to @address that faulted
 * with @cause, a value of scause. Fill @report, which may be NULL, if and only
 * if the result is RUST_RISCV_FAULT_REPORT. Takes no lock, and changes nothing
 * else. Any context.
 */
enum rust_riscv_fault_verdict
rust_riscv_fault_judge(unsigned long cause, unsigned long vm_flags,
		       unsigned long address,
		       struct rust_riscv_fault_report *report);

#endif
