/* SPDX-License-Identifier: GPL-2.0 */
/*
 * C wrappers for inline functions and macros that Rust cannot call.
 *
 * Wrappers that run while all CPUs are stopped are in .kprobes.text and not
 * traced: a probe or a tracer there would run inside the rendezvous.
 */
#ifndef RUST_RISCV_HELPERS_H
#define RUST_RISCV_HELPERS_H

#include <linux/types.h>

struct module;

/* rendezvous.c */
void rust_riscv_counter_inc(atomic_t *counter);
u32 rust_riscv_counter_read(const atomic_t *counter);
u32 rust_riscv_counter_inc_return(atomic_t *counter);
void rust_riscv_counter_inc_release(atomic_t *counter);
u32 rust_riscv_counter_read_acquire(const atomic_t *counter);
void rust_riscv_cpu_relax(void);
u32 rust_riscv_num_online_cpus(void);
unsigned long rust_riscv_irq_save(void);
void rust_riscv_irq_restore(unsigned long flags);
int rust_riscv_stop_online_cpus(int (*fn)(void *data), void *data);
int rust_riscv_run_in_stoppers(int (*fn)(void *data), void *data);

/* text.c */
void rust_riscv_text_lock(void);
void rust_riscv_text_unlock(void);
unsigned long rust_riscv_text_kprobe(unsigned long addr, size_t len);
bool rust_riscv_fetch_is_atomic(void);

/* guard.c */
struct rust_riscv_guarded {
	const void *edits;
	size_t count;
};

void rust_riscv_guard_publish(const struct rust_riscv_guarded *table);
void rust_riscv_guard_withdraw(void);
const struct rust_riscv_guarded *rust_riscv_guard_published(void);
void rust_riscv_synchronize_rcu_tasks(void);

/* smp.c */
void rust_riscv_flush_icache_all(void);
void rust_riscv_interrupt_and_flush_icache_all(void);
void rust_riscv_local_flush_tlb_page(unsigned long addr);
void rust_riscv_local_flush_tlb_all(void);
bool rust_riscv_cpu_is_online(unsigned int cpu);
void rust_riscv_set_current_state(unsigned int state);
void rust_riscv_migrate_disable(void);
void rust_riscv_migrate_enable(void);

/* module.c */
int rust_riscv_module_get_by_text(unsigned long addr, unsigned long len,
				  struct module **owner);

/* fault.c */
void rust_riscv_note_forbidden(unsigned long cause);

/* cpuhp.c */
void rust_riscv_cpus_read_lock(void);
bool rust_riscv_cpus_read_trylock(void);
void rust_riscv_cpus_read_unlock(void);
unsigned int rust_riscv_intc_irq(unsigned int hwirq);
unsigned int rust_riscv_irq_trigger(unsigned int irq);
bool rust_riscv_sbi_delivers_ipis(void);
unsigned long rust_riscv_hart_of(unsigned int cpu);
long rust_riscv_read_file(const char *path, char *buf, unsigned long len);

/* log.c */
bool rust_riscv_ratelimit(void);
size_t rust_riscv_symbol(char *buffer, unsigned long addr);

#endif
