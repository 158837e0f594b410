/* SPDX-License-Identifier: GPL-2.0 */
/*
 * pause_here(): loops until a debugger sets the PC to pause_end. "make cycles"
 * takes the machine over from QEMU here, to go on at pause_end in both.
 */
#ifndef RUST_RISCV_TESTS_PAUSE_H
#define RUST_RISCV_TESTS_PAUSE_H

void pause_here(void);

__asm__(".text\n"
	".globl pause_here, pause_end\n"
	"pause_here:	j pause_here\n"
	"pause_end:	ret\n");

#endif
