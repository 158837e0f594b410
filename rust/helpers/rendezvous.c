// SPDX-License-Identifier: GPL-2.0
/*
 * The atomics of the rendezvous. Those of the kernel crate are calls of traced
 * functions, whose first instructions may be what is being patched.
 */
#include <linux/atomic.h>
#include <linux/cpumask.h>
#include <linux/kprobes.h>
#include <linux/processor.h>
#include <linux/stop_machine.h>

#include "helpers.h"

/* litmus: rendezvous+arrive */
notrace __kprobes u32 rr_counter_inc_return(atomic_t *counter)
{
	return atomic_inc_return(counter);
}

/* litmus: rendezvous+release+acquire */
notrace __kprobes void rr_counter_inc_release(atomic_t *counter)
{
	atomic_inc_return_release(counter);
}

/* litmus: rendezvous+release+acquire */
notrace __kprobes u32 rr_counter_read_acquire(const atomic_t *counter)
{
	return atomic_read_acquire(counter);
}

notrace __kprobes void rr_cpu_relax(void)
{
	cpu_relax();
}

notrace __kprobes u32 rr_num_online_cpus(void)
{
	return num_online_cpus();
}

int rr_stop_online_cpus(int (*fn)(void *data), void *data)
{
	return stop_machine(fn, data, cpu_online_mask);
}

/* Under rr_text_lock(), which holds cpus_read_lock() if there are hooks. */
int rr_stop_online_cpus_locked(int (*fn)(void *data), void *data)
{
#ifdef RUST_RISCV_TEXT_HOOKS
	return stop_machine_cpuslocked(fn, data, cpu_online_mask);
#else
	return stop_machine(fn, data, cpu_online_mask);
#endif
}
