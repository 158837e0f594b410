/* SPDX-License-Identifier: GPL-2.0 */
/*
 * C wrappers for inline functions and macros that Rust cannot call.
 *
 * Those that run while the machine is stopped are in .kprobes.text and are not
 * traced: a probe or a tracer there would run inside the rendezvous.
 */
#ifndef RUST_RISCV_HELPERS_H
#define RUST_RISCV_HELPERS_H

#include <linux/types.h>

struct module;

/* rendezvous.c */
void rr_counter_inc(atomic_t *counter);
u32 rr_counter_read(const atomic_t *counter);
u32 rr_counter_inc_return(atomic_t *counter);
void rr_counter_inc_release(atomic_t *counter);
u32 rr_counter_read_acquire(const atomic_t *counter);
void rr_cpu_relax(void);
u32 rr_num_online_cpus(void);
unsigned long rr_irq_save(void);
void rr_irq_restore(unsigned long flags);
int rr_stop_online_cpus(int (*fn)(void *data), void *data);
int rr_run_in_stoppers(int (*fn)(void *data), void *data);

/* text.c */
void rr_text_lock(void);
void rr_text_unlock(void);
bool rr_fetch_is_atomic(void);

/* guard.c */
struct rr_guarded {
	const void *edits;
	size_t count;
};

void rr_guard_publish(const struct rr_guarded *table);
void rr_guard_withdraw(void);
const struct rr_guarded *rr_guard_published(void);
void rr_synchronize_rcu_tasks(void);

/* smp.c */
void rr_flush_icache_all(void);
void rr_interrupt_and_flush_icache_all(void);
void rr_local_flush_tlb_page(unsigned long addr);
void rr_local_flush_tlb_all(void);
bool rr_cpu_is_online(unsigned int cpu);
void rr_set_current_state(unsigned int state);
void rr_migrate_disable(void);
void rr_migrate_enable(void);

/* module.c */
int rr_module_get_by_text(unsigned long addr, unsigned long len,
			  struct module **owner);

/* fault.c */
void rr_note_forbidden(unsigned long cause);
/* cpuhp.c */
void rr_cpus_read_lock(void);
bool rr_cpus_read_trylock(void);
void rr_cpus_read_unlock(void);
unsigned int rr_intc_irq(unsigned int hwirq);
unsigned int rr_irq_trigger(unsigned int irq);
bool rr_sbi_delivers_ipis(void);
unsigned long rr_hart_of(unsigned int cpu);
long rr_read_file(const char *path, char *buf, unsigned long len);

/* log.c */
bool rr_ratelimit(void);
size_t rr_symbol(char *buffer, unsigned long addr);

#endif
