/* SPDX-License-Identifier: GPL-2.0 */
/*
 * timed_mark(): where "make cycles" stops a machine, before and after what it
 * measures.
 */
#ifndef RUST_RISCV_TESTS_TIMED_MARK_H
#define RUST_RISCV_TESTS_TIMED_MARK_H

enum { BEGIN = 0x72720001, END };

/*
 * A process of another program may have code there, but not this in a0. An
 * instruction that waits for all before it is the next to retire for some cycles;
 * others may retire together with those, and the machine is not stopped there.
 */
void timed_mark(long which, long done);

__asm__(".text\n"
	".globl timed_mark\n"
	"timed_mark:	rdtime t0\n"
	"	ret\n");

#endif
