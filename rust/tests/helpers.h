/* SPDX-License-Identifier: GPL-2.0 */
/* What the KUnit suites need from C. */
#ifndef RUST_RISCV_TESTS_HELPERS_H
#define RUST_RISCV_TESTS_HELPERS_H

#include <linux/types.h>

#include "cpuhp.h"

struct task_struct;

/* Call @fn on @cpu, with interrupts off, and return what it returns. */
unsigned long rr_test_call_on(unsigned int cpu, unsigned long (*fn)(void));

/*
 * Wait, without being preempted, and then for all other CPUs to do nothing; 0.
 */
unsigned long rr_test_ask_everybody(void);

unsigned long rr_test_jiffies(void);

/* A kernel thread that stays on @cpu; NULL if there could be none. */
struct task_struct *rr_test_thread_start(unsigned int cpu,
					 int (*fn)(void *data), void *data);
void rr_test_thread_stop(struct task_struct *task);
bool rr_test_thread_should_stop(void);

bool rr_test_cpu_is_online(unsigned int cpu);
int rr_test_cpu_down(unsigned int cpu);
int rr_test_cpu_up(unsigned int cpu);

/* A kprobe that is registered but not armed: its breakpoints are handled. */
int rr_test_probe_register(void *addr);
unsigned long rr_test_probe_hits(void);
void rr_test_probe_unregister(void);

/* Let the @nth allocation of this task fail; 0 for none. */
void rr_test_fail_nth(unsigned int nth);
/* End that, and tell whether an allocation has failed. */
bool rr_test_has_failed(void);

/* What users of text patching in the kernel call. */
enum rr_test_call {
	RR_TEST_INSN_WRITE,
	/* The same, with no sync after it. */
	RR_TEST_WRITE_HERE,
	RR_TEST_NOSYNC,
	RR_TEST_SET,
	RR_TEST_PATCH,
	RR_TEST_QUEUE,
	RR_TEST_QUEUE_FIRST,
};

struct rr_test_write {
	void *addr;
	const void *insns;
	size_t len;
	bool first;
};

/* Only with our hooks in the kernel. */
int rr_test_kernel_writes(enum rr_test_call call, void *addr,
			  const void *insns, size_t len);
int rr_test_kernel_queues(const struct rr_test_write *writes, size_t count);
int rr_test_second_provider(void);

int rr_test_flush_inside_stop(void);

/* Whether a byte of @addr can be written, as what it is. Calls nothing. */
bool rr_test_can_write(void *addr, u8 byte);

int rr_test_module_refs(void);
/* An allocation of this task that fails if one was to fail. */
bool rr_test_allocate(void);

/* What bench_barrier_c.c repeats. */
enum rr_test_op {
	RR_TEST_NOTHING,
	RR_TEST_COMPILER,
	RR_TEST_STORE,
	RR_TEST_STORE_RELEASE,
	RR_TEST_STORE_MB,
	RR_TEST_LOAD,
	RR_TEST_LOAD_ACQUIRE,
	RR_TEST_ADD,
	RR_TEST_ADD_FULL,
	RR_TEST_SMP_MB,
	RR_TEST_SMP_RMB,
	RR_TEST_SMP_WMB,
	RR_TEST_MB,
	RR_TEST_RMB,
	RR_TEST_WMB,
	RR_TEST_DMA_RMB,
	RR_TEST_DMA_WMB,
};

void rr_test_repeat(enum rr_test_op op, unsigned long loops);

#endif
