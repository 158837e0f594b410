/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The parts of the kernel's headers that our C sources and the hooks use,
 * implemented with loom by the functions in ../linux.rs.
 *
 * Nothing here is stronger than in the kernel, except for two things that loom
 * lacks: a fence for stores only, and address dependencies. smp_wmb() also orders
 * earlier loads; reads through a pointer are not checked.
 */
#ifndef LOOM_LINUX_H
#define LOOM_LINUX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;

#define __kprobes
#define __rcu
#define notrace
#undef __always_inline
#define __always_inline inline
#define unlikely(x) (x)
#define likely(x) (x)

#define EBUSY 16
#define EINVAL 22
#define ENODATA 61
#define EOPNOTSUPP 95

enum loom_order {
	LOOM_RELAXED,
	LOOM_ACQUIRE,
	LOOM_RELEASE,
	LOOM_FULL,
};

enum loom_fence {
	LOOM_READ,
	LOOM_WRITE,
	LOOM_ALL,
};

/* The kinds of sections whose end other threads can wait for. */
enum loom_section {
	LOOM_RCU,
	LOOM_INTERRUPTS_OFF,
};

#define LOOM_HERE __FILE__, __LINE__

u64 loom_load(const void *at, size_t size, enum loom_order order,
	      const char *what, const char *file, u32 line);
void loom_store(void *at, size_t size, u64 value, enum loom_order order,
		const char *what, const char *file, u32 line);
u64 loom_add_return(void *at, size_t size, u64 more, enum loom_order order,
		    const char *what, const char *file, u32 line);
void loom_fence(enum loom_fence fence, const char *what, const char *file,
		u32 line);
void loom_lock(const void *lock, const char *what, const char *file, u32 line);
void loom_unlock(const void *lock);
void loom_enter(enum loom_section section, const char *what, const char *file,
		u32 line);
void loom_leave(enum loom_section section);
void loom_synchronize(enum loom_section section, const char *what,
		      const char *file, u32 line);

/* asm/barrier.h, asm/rwonce.h */
#define LOOM_LOAD(p, order, what)						\
	((__typeof__(*(p)))loom_load((p), sizeof(*(p)), order, what, LOOM_HERE))
#define LOOM_STORE(p, v, order, what)						\
	loom_store((void *)(p), sizeof(*(p)), (u64)(v), order, what, LOOM_HERE)

#define READ_ONCE(x) LOOM_LOAD(&(x), LOOM_RELAXED, "READ_ONCE")
#define WRITE_ONCE(x, v) LOOM_STORE(&(x), v, LOOM_RELAXED, "WRITE_ONCE")
#define smp_load_acquire(p) LOOM_LOAD(p, LOOM_ACQUIRE, "smp_load_acquire")
#define smp_store_release(p, v) LOOM_STORE(p, v, LOOM_RELEASE, "smp_store_release")
#define smp_mb() loom_fence(LOOM_ALL, "smp_mb", LOOM_HERE)
#define smp_rmb() loom_fence(LOOM_READ, "smp_rmb", LOOM_HERE)
#define smp_wmb() loom_fence(LOOM_WRITE, "smp_wmb", LOOM_HERE)

/* linux/atomic.h */
typedef struct {
	int counter;
} atomic_t;

#define atomic_read(v) LOOM_LOAD(&(v)->counter, LOOM_RELAXED, "atomic_read")
#define atomic_read_acquire(v)							\
	LOOM_LOAD(&(v)->counter, LOOM_ACQUIRE, "atomic_read_acquire")
#define LOOM_INC(v, order, what)						\
	((int)loom_add_return(&(v)->counter, sizeof((v)->counter), 1, order, what, LOOM_HERE))
#define atomic_inc(v) ((void)LOOM_INC(v, LOOM_RELAXED, "atomic_inc"))
#define atomic_inc_return(v) LOOM_INC(v, LOOM_FULL, "atomic_inc_return")
#define atomic_inc_return_release(v)						\
	LOOM_INC(v, LOOM_RELEASE, "atomic_inc_return_release")

/* linux/rcupdate.h, linux/smp.h */
#define rcu_assign_pointer(p, v) LOOM_STORE(&(p), v, LOOM_RELEASE, "rcu_assign_pointer")
#define RCU_INIT_POINTER(p, v) WRITE_ONCE(p, v)
#define rcu_dereference_raw(p) READ_ONCE(p)
#define rcu_dereference_protected(p, c) READ_ONCE(p)
#define rcu_read_lock() loom_enter(LOOM_RCU, "rcu_read_lock", LOOM_HERE)
#define rcu_read_unlock() loom_leave(LOOM_RCU)
#define synchronize_rcu() loom_synchronize(LOOM_RCU, "synchronize_rcu", LOOM_HERE)
/* The models have no preempted tasks, for which this waits. */
#define synchronize_rcu_tasks() ((void)0)
/* Sends an interrupt, which a CPU takes when it has interrupts on. */
#define kick_all_cpus_sync()							\
	loom_synchronize(LOOM_INTERRUPTS_OFF, "kick_all_cpus_sync", LOOM_HERE)

/* linux/irqflags.h: no model waits for a CPU in a rendezvous to enable interrupts. */
#define arch_local_irq_save() 0
#define arch_local_irq_restore(flags) ((void)(flags))

/* linux/mutex.h, linux/cleanup.h */
struct mutex {
	char unused;
};

#define DEFINE_MUTEX(name) struct mutex name
#define mutex_lock(m) loom_lock(m, "mutex_lock", LOOM_HERE)
#define mutex_unlock(m) loom_unlock(m)
#define lockdep_is_held(m) true

struct loom_guard {
	const void *lock;
	bool done;
};

static inline struct loom_guard loom_guard_lock(const void *lock, const char *file,
						u32 line)
{
	loom_lock(lock, "guard(mutex)", file, line);
	return (struct loom_guard){ .lock = lock };
}

static inline void loom_guard_exit_mutex(struct loom_guard *guard)
{
	loom_unlock(guard->lock);
}

static inline struct loom_guard loom_guard_read(const char *file, u32 line)
{
	loom_enter(LOOM_RCU, "guard(rcu)", file, line);
	return (struct loom_guard){ .lock = NULL };
}

static inline void loom_guard_exit_rcu(struct loom_guard *guard)
{
	loom_leave(LOOM_RCU);
}

/* No CPU comes or goes in the models. */
static inline void loom_guard_exit_cpus_read_lock(struct loom_guard *guard)
{
}

#define loom_guard_cpus_read_lock() (struct loom_guard){ .lock = NULL }
#define loom_guard_mutex(m) loom_guard_lock(m, LOOM_HERE)
#define loom_guard_rcu() loom_guard_read(LOOM_HERE)
#define LOOM_JOIN_(a, b) a##b
#define LOOM_JOIN(a, b) LOOM_JOIN_(a, b)
#define LOOM_GUARD(kind)							\
	struct loom_guard __attribute__((cleanup(loom_guard_exit_##kind), unused))
#define guard(kind) LOOM_GUARD(kind) LOOM_JOIN(loom_scope_, __COUNTER__) = loom_guard_##kind
#define scoped_guard(kind, ...)							\
	for (LOOM_GUARD(kind) loom_scope = loom_guard_##kind(__VA_ARGS__);	\
	     !loom_scope.done; loom_scope.done = true)

/* linux/jump_label.h: a branch that a hart may have fetched at any time. */
struct static_key {
	int on;
};

#define DEFINE_STATIC_KEY_FALSE(name) struct static_key name
#define static_branch_unlikely(key) READ_ONCE((key)->on)
#define static_branch_enable(key) WRITE_ONCE((key)->on, 1)
#define static_branch_disable(key) WRITE_ONCE((key)->on, 0)

/* linux/processor.h, linux/cpumask.h, linux/stop_machine.h, linux/cpu.h */
struct cpumask;

#define cpu_online_mask ((const struct cpumask *)NULL)

void cpu_relax(void);
u32 num_online_cpus(void);
int stop_machine(int (*fn)(void *data), void *data, const struct cpumask *cpus);
int stop_cpus(const struct cpumask *cpus, int (*fn)(void *data), void *data);

/* No CPU goes offline or comes online in the models. */
#define cpus_read_lock() ((void)0)
#define cpus_read_unlock() ((void)0)

/* linux/bug.h */
int loom_warn(const char *what);

#define WARN_ON_ONCE(condition) ((condition) && loom_warn(#condition))
#define WARN_ONCE(condition, format, ...) ((void)((condition) && loom_warn(format)))

/* asm/cacheflush.h: models read text from where it is written. */
#define flush_icache_all() ((void)0)
#define flush_icache_range(start, end) ((void)0)

#endif
