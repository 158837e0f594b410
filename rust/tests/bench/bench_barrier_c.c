// SPDX-License-Identifier: GPL-2.0
/* The operations of bench_barrier.rs in C. */
#include <linux/atomic.h>
#include <linux/compiler.h>
#include <asm/barrier.h>

#include "../kunit/support/helpers.h"

/* The compiler barrier keeps the compiler from removing the loop, as in repeat() in Rust. */
#define REPEAT(name, op)			\
	case RUST_RISCV_TEST_##name:			\
		while (loops--) {		\
			op;			\
			barrier();		\
		}				\
		break

/* Barriers marked "alone" have no counterpart on another CPU. */
noinline void rust_riscv_test_repeat(enum rust_riscv_test_op what, unsigned long loops)
{
	static atomic_t word;

	switch (what) {
	REPEAT(NOTHING, (void)0);
	REPEAT(COMPILER, barrier());
	REPEAT(STORE, atomic_set(&word, 1));
	REPEAT(STORE_RELEASE, atomic_set_release(&word, 1));
	REPEAT(STORE_MB, smp_store_mb(word.counter, 1)); /* alone */
	REPEAT(LOAD, atomic_read(&word));
	REPEAT(LOAD_ACQUIRE, atomic_read_acquire(&word));
	REPEAT(ADD, atomic_fetch_add_relaxed(1, &word));
	REPEAT(ADD_FULL, atomic_fetch_add(1, &word));
	REPEAT(SMP_MB, smp_mb()); /* alone */
	REPEAT(SMP_RMB, smp_rmb()); /* alone */
	REPEAT(SMP_WMB, smp_wmb()); /* alone */
	REPEAT(MB, mb()); /* alone */
	REPEAT(RMB, rmb()); /* alone */
	REPEAT(WMB, wmb()); /* alone */
	REPEAT(DMA_RMB, dma_rmb()); /* alone */
	REPEAT(DMA_WMB, dma_wmb()); /* alone */
	}
}
