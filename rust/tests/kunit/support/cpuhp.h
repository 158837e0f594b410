/* SPDX-License-Identifier: GPL-2.0 */
/* C helpers for the tests of CPU hotplug. */
#ifndef RUST_RISCV_TESTS_CPUHP_H
#define RUST_RISCV_TESTS_CPUHP_H

#include <linux/types.h>

/* One callback of the state machine, recorded by the tracepoint cpuhp_enter. */
struct rust_riscv_test_step {
	unsigned int cpu;
	unsigned int ran_on;
	int state;
	bool up;
	bool irqs_off;
};

/*
 * Record every callback from now on; -ENOENT without the tracepoint. States of
 * the starting section call rust_riscv_test_note() themselves.
 */
int rust_riscv_test_steps_start(void);
void rust_riscv_test_steps_stop(void);
void rust_riscv_test_note(unsigned int cpu, int target, int state);
/* Get the @n-th recorded callback; false if there are fewer. */
bool rust_riscv_test_step_at(unsigned int n, struct rust_riscv_test_step *step);

bool rust_riscv_test_irqs_off(void);

/*
 * Run @fn on @cpu and wait until it has run. If the CPU goes offline, a work
 * item or a timer runs on another one, and a call returns -ENXIO.
 */
void rust_riscv_test_work_on(unsigned int cpu, void (*fn)(void *data), void *data);
int rust_riscv_test_timer_on(unsigned int cpu, void (*fn)(void *data), void *data);
int rust_riscv_test_function_on(unsigned int cpu, void (*fn)(void *data), void *data);

/*
 * As above without waiting, for an online CPU. There can be one work item and
 * two calls at a time: @n is 0 or 1.
 */
void rust_riscv_test_send_call(unsigned int n, unsigned int cpu,
			       void (*fn)(void *data), void *data);
void rust_riscv_test_send_work(unsigned int cpu, void (*fn)(void *data), void *data);
/* A thread that sleeps on @cpu, and runs @fn when it is woken. */
int rust_riscv_test_sleeper_start(unsigned int cpu, void (*fn)(void *data), void *data);
void rust_riscv_test_sleeper_wake(void);
void rust_riscv_test_sleeper_stop(void);
/* Wait for the work item. */
void rust_riscv_test_send_wait(void);

/* Trace some functions of the kernel; return the number of hits. */
int rust_riscv_test_ftrace_start(void);
void rust_riscv_test_ftrace_stop(void);
unsigned long rust_riscv_test_ftrace_hits(void);

#endif
