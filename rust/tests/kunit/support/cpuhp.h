/* SPDX-License-Identifier: GPL-2.0 */
/* What the tests of CPU hotplug need from C. */
#ifndef RUST_RISCV_TESTS_CPUHP_H
#define RUST_RISCV_TESTS_CPUHP_H

#include <linux/types.h>

/* One callback of the state machine, as the tracepoint cpuhp_enter saw it. */
struct rust_riscv_test_step {
	unsigned int cpu;
	unsigned int ran_on;
	int state;
	bool up;
	bool irqs_off;
};

/*
 * Note every callback from now on; -ENOENT without the tracepoint. Those of
 * the starting section call rust_riscv_test_note() themselves.
 */
int rust_riscv_test_steps_start(void);
void rust_riscv_test_steps_stop(void);
void rust_riscv_test_note(unsigned int cpu, int target, int state);
/* The @n-th that was noted; false if there are not so many. */
bool rust_riscv_test_step_at(unsigned int n, struct rust_riscv_test_step *step);

bool rust_riscv_test_irqs_off(void);

/*
 * Run @fn on @cpu and wait until it has run. A work item of a CPU that goes
 * off runs on another one, and so does a timer; a call is -ENXIO then.
 */
void rust_riscv_test_work_on(unsigned int cpu, void (*fn)(void *data), void *data);
int rust_riscv_test_timer_on(unsigned int cpu, void (*fn)(void *data), void *data);
int rust_riscv_test_function_on(unsigned int cpu, void (*fn)(void *data), void *data);

/*
 * The same without waiting, one of each at a time, for a CPU that is online.
 * There can be two calls, @n is 0 or 1.
 */
void rust_riscv_test_send_call(unsigned int n, unsigned int cpu,
			       void (*fn)(void *data), void *data);
void rust_riscv_test_send_work(unsigned int cpu, void (*fn)(void *data), void *data);
/* A thread that sleeps on @cpu, and runs @fn once it is woken. */
int rust_riscv_test_sleeper_start(unsigned int cpu, void (*fn)(void *data), void *data);
void rust_riscv_test_sleeper_wake(void);
void rust_riscv_test_sleeper_stop(void);
/* Wait for the work item. */
void rust_riscv_test_send_wait(void);

/* Trace some functions of the kernel; a number of hits since the start. */
int rust_riscv_test_ftrace_start(void);
void rust_riscv_test_ftrace_stop(void);
unsigned long rust_riscv_test_ftrace_hits(void);

#endif
