/* SPDX-License-Identifier: GPL-2.0 */
#include "bench_text.h"

	.text
	.option norvc
	.option norelax
	.balign 8
	.globl bench_aligned
bench_aligned:
	nop
	ret

	.balign 8
#ifdef CONFIG_RISCV_ISA_C
	.2byte 1
#endif
	.globl bench_unaligned
bench_unaligned:
	.rept STOP_EDITS
	nop
	.endr
	ret
