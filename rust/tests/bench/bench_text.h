/* SPDX-License-Identifier: GPL-2.0 */
/* The text that bench_patch.c patches. */
#ifndef RUST_RISCV_BENCH_TEXT_H
#define RUST_RISCV_BENCH_TEXT_H

/* The number of edits that are not aligned to 4 bytes, so that C stops the machine for each. */
#define STOP_EDITS 4096

#ifndef __ASSEMBLER__
#include <linux/types.h>

/* Text that is never executed: one nop, and STOP_EDITS nops. */
extern u32 bench_aligned[];
extern u8 bench_unaligned[];
#endif

#endif
