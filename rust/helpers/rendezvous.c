// SPDX-License-Identifier: GPL-2.0
/*
 * Atomics and other primitives of the rendezvous. The atomics of the kernel
 * crate are calls of traced functions, which may be the text that is patched.
 */
#include <linux/atomic.h>
#include <linux/cpumask.h>
#include <linux/irqflags.h>
#include <linux/kprobes.h>
#include <linux/processor.h>
#include <linux/stop_machine.h>

#include "helpers.h"

notrace __kprobes void rust_riscv_counter_inc(atomic_t *counter)
{
	atomic_inc(counter);
}

notrace __kprobes u32 rust_riscv_counter_read(const atomic_t *counter)
{
	return atomic_read(counter);
}

/* litmus: rendezvous+arrive */
notrace __kprobes u32 rust_riscv_counter_inc_return(atomic_t *counter)
{
	return atomic_inc_return(counter);
}

/* litmus: rendezvous+release+acquire */
notrace __kprobes void rust_riscv_counter_inc_release(atomic_t *counter)
{
	atomic_inc_return_release(counter);
}

/* litmus: rendezvous+release+acquire */
notrace __kprobes u32 rust_riscv_counter_read_acquire(const atomic_t *counter)
{
	return atomic_read_acquire(counter);
}

notrace __kprobes void rust_riscv_cpu_relax(void)
{
	cpu_relax();
}

notrace __kprobes u32 rust_riscv_num_online_cpus(void)
{
	return num_online_cpus();
}

/* Not local_irq_save(), which calls lockdep. */
notrace __kprobes unsigned long rust_riscv_irq_save(void)
{
	return arch_local_irq_save();
}

notrace __kprobes void rust_riscv_irq_restore(unsigned long flags)
{
	arch_local_irq_restore(flags);
}

int rust_riscv_stop_online_cpus(int (*fn)(void *data), void *data)
{
	return stop_machine(fn, data, cpu_online_mask);
}

/*
 * Run @fn in the stoppers of all online CPUs. The caller holds rust_riscv_text_lock(),
 * and so cpus_read_lock() in a kernel with our hooks. Without CONFIG_SMP there are
 * neither stoppers nor that lock.
 */
int rust_riscv_run_in_stoppers(int (*fn)(void *data), void *data)
{
#if defined(RUST_RISCV_TEXT_HOOKS) && defined(CONFIG_SMP)
	return stop_cpus(cpu_online_mask, fn, data);
#else
	return rust_riscv_stop_online_cpus(fn, data);
#endif
}
