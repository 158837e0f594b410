/* SPDX-License-Identifier: GPL-2.0 */
/* A function that counts its calls, and kprobes, tracers and a static key that do the same. */
#ifndef RUST_RISCV_TESTS_COUNTS_H
#define RUST_RISCV_TESTS_COUNTS_H

#include <linux/types.h>

/*
 * Probes are on three instructions: 4 aligned bytes, 2 bytes, 4 bytes across a word's end.
 * Without compressed instructions all have 4 aligned bytes.
 */
#define RUST_RISCV_COUNTS_PROBES 3
#define RUST_RISCV_COUNTS_TRACERS 2
extern char rust_riscv_counts_word[], rust_riscv_counts_half[], rust_riscv_counts_unaligned[];

/* Register or unregister a kprobe; return its hits, including missed ones. */
int rust_riscv_counts_probe_on(unsigned int which);
void rust_riscv_counts_probe_off(unsigned int which);
unsigned long rust_riscv_counts_probe_hits(unsigned int which);

/* The same for tracers of the function: ftrace_ops. */
int rust_riscv_counts_tracer_on(unsigned int which);
int rust_riscv_counts_tracer_off(unsigned int which);
unsigned long rust_riscv_counts_tracer_hits(unsigned int which);

/* Set a static key, with which the function counts its own calls. */
void rust_riscv_counts_key_set(bool on);
unsigned long rust_riscv_counts_key_hits(void);

/* Return the number of calls so far, except those by callers that still run. */
unsigned long rust_riscv_counts_calls(void);
/* Call the function @times times on this CPU, or on all CPUs at the same time. */
void rust_riscv_counts_call(unsigned int times);
void rust_riscv_counts_call_everywhere(unsigned int times);

/* Threads on all other CPUs that call the function until they are stopped. */
int rust_riscv_counts_callers_start(void);
void rust_riscv_counts_callers_stop(void);

#endif
