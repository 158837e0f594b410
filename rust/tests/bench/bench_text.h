/* SPDX-License-Identifier: GPL-2.0 */
#ifndef RUST_RISCV_BENCH_TEXT_H
#define RUST_RISCV_BENCH_TEXT_H

/* Each of these takes a stop of the machine: no boundary of 4 bytes. */
#define STOP_EDITS 4096

#ifndef __ASSEMBLER__
#include <linux/types.h>

/* Text that nobody runs: one nop, and STOP_EDITS of them. */
extern u32 bench_aligned[];
extern u8 bench_unaligned[];
#endif

#endif
