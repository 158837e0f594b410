/* SPDX-License-Identifier: GPL-2.0 */
/* C helpers for the KUnit suites. */
#ifndef RUST_RISCV_TESTS_HELPERS_H
#define RUST_RISCV_TESTS_HELPERS_H

#include <linux/types.h>

#include "cpuhp.h"

struct task_struct;

/* Call @fn on @cpu, with interrupts off, and return what it returns. */
unsigned long rust_riscv_test_call_on(unsigned int cpu, unsigned long (*fn)(void));

/*
 * Busy-wait with preemption disabled, then wait until all other CPUs have
 * answered an IPI. Returns 0.
 */
unsigned long rust_riscv_test_ask_everybody(void);

unsigned long rust_riscv_test_jiffies(void);

/* Start a kernel thread that is bound to @cpu; NULL on failure. */
struct task_struct *rust_riscv_test_thread_start(unsigned int cpu,
						 int (*fn)(void *data), void *data);
void rust_riscv_test_thread_stop(struct task_struct *task);
bool rust_riscv_test_thread_should_stop(void);

bool rust_riscv_test_cpu_is_online(unsigned int cpu);
int rust_riscv_test_cpu_down(unsigned int cpu);
int rust_riscv_test_cpu_up(unsigned int cpu);

/* A kprobe that is registered and disabled: it handles breakpoints that the test writes. */
int rust_riscv_test_probe_register(void *addr);
int rust_riscv_test_probe_enable(bool on);
void rust_riscv_test_probe_set_gone(bool gone);
unsigned long rust_riscv_test_probe_hits(void);
void rust_riscv_test_probe_unregister(void);
/* Another one, without a handler, which can also be registered enabled. */
int rust_riscv_test_second_probe_register(void *addr, bool enabled);
void rust_riscv_test_second_probe_unregister(void);

/* Let the @nth allocation of this task fail; 0 for none. */
void rust_riscv_test_fail_nth(unsigned int nth);
/* Stop that, and return whether an allocation has failed. */
bool rust_riscv_test_has_failed(void);

/* The functions that users of text patching in the kernel call. */
enum rust_riscv_test_call {
	RUST_RISCV_TEST_INSN_WRITE,
	RUST_RISCV_TEST_NOSYNC,
	RUST_RISCV_TEST_SET,
	RUST_RISCV_TEST_PATCH,
	RUST_RISCV_TEST_QUEUE,
	RUST_RISCV_TEST_QUEUE_FIRST,
};

struct rust_riscv_test_write {
	void *addr;
	const void *insns;
	size_t len;
	bool first;
};

/* Only with our hooks in the kernel. */
int rust_riscv_test_kernel_writes(enum rust_riscv_test_call call, void *addr,
				  const void *insns, size_t len);
int rust_riscv_test_kernel_queues(const struct rust_riscv_test_write *writes, size_t count);
int rust_riscv_test_kernel_writes_after_queue(const struct rust_riscv_test_write *first,
					      const struct rust_riscv_test_write *then);
int rust_riscv_test_second_provider(void);

/*
 * Register the kprobe in a task that pauses when its instruction has been copied
 * and text_mutex been released; return when it pauses. -EOPNOTSUPP
 * without dynamic ftrace or CPU hotplug.
 */
int rust_riscv_test_probe_register_begin(void *addr);
/* Let the task go on; return its result, or -ETIMEDOUT if it has gone on before. */
int rust_riscv_test_probe_register_end(void);

int rust_riscv_test_flush_inside_stop(void);

/*
 * Try to write a byte at @addr, and return whether it can be written. @byte is
 * the byte that is there. Any context, also while the machine is stopped.
 */
bool rust_riscv_test_can_write(void *addr, u8 byte);

/* The number of references to the tests' module; 0 if they are built in. */
int rust_riscv_test_module_refs(void);
/* Allocate and free memory; return whether the allocation succeeded. */
bool rust_riscv_test_allocate(void);

/* The operations of bench_barrier_c.c. */
enum rust_riscv_test_op {
	RUST_RISCV_TEST_NOTHING,
	RUST_RISCV_TEST_COMPILER,
	RUST_RISCV_TEST_STORE,
	RUST_RISCV_TEST_STORE_RELEASE,
	RUST_RISCV_TEST_STORE_MB,
	RUST_RISCV_TEST_LOAD,
	RUST_RISCV_TEST_LOAD_ACQUIRE,
	RUST_RISCV_TEST_ADD,
	RUST_RISCV_TEST_ADD_FULL,
	RUST_RISCV_TEST_SMP_MB,
	RUST_RISCV_TEST_SMP_RMB,
	RUST_RISCV_TEST_SMP_WMB,
	RUST_RISCV_TEST_MB,
	RUST_RISCV_TEST_RMB,
	RUST_RISCV_TEST_WMB,
	RUST_RISCV_TEST_DMA_RMB,
	RUST_RISCV_TEST_DMA_WMB,
};

void rust_riscv_test_repeat(enum rust_riscv_test_op op, unsigned long loops);

#endif
