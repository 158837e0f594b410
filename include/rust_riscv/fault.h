/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The C API of rust_riscv_fault.ko: checks whether a VMA allows the access of a
 * user page fault. See Documentation/fault-path.rst.
 *
 *	struct rust_riscv_fault_siginfo info;
 *
 *	switch (rust_riscv_fault_check_access(regs->cause, vma->vm_flags,
 *					      regs->badaddr, &info)) {
 *	case RUST_RISCV_FAULT_ALLOWED:
 *		...
 */
#ifndef RUST_RISCV_FAULT_H
#define RUST_RISCV_FAULT_H

enum rust_riscv_fault_access {
	/* The VMA allows the access. */
	RUST_RISCV_FAULT_ALLOWED,
	/* The VMA forbids the access. */
	RUST_RISCV_FAULT_FORBIDDEN,
	/* The cause is not a page fault. */
	RUST_RISCV_FAULT_UNKNOWN_CAUSE,
};

/* The signal for a forbidden access. */
struct rust_riscv_fault_siginfo {
	int signal;			/* SIGSEGV */
	int code;			/* si_code: SEGV_ACCERR */
	unsigned long address;		/* si_addr */
	unsigned long bad_cause;	/* thread.bad_cause: the hardware's cause */
};

/*
 * Check whether a VMA with @vm_flags allows an access to @address that faulted
 * with @cause, a value of scause. Fill @info, which may be NULL, if and only if
 * the result is RUST_RISCV_FAULT_FORBIDDEN. Takes no lock and has no other effect.
 * Any context.
 */
enum rust_riscv_fault_access
rust_riscv_fault_check_access(unsigned long cause, unsigned long vm_flags,
			      unsigned long address,
			      struct rust_riscv_fault_siginfo *info);

#endif
