/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Functions that the programs here share: system calls, threads, and accesses that
 * return the signals that they cause. For nolibc, whose headers must be included before.
 */
#ifndef RUST_RISCV_TESTS_USER_H
#define RUST_RISCV_TESTS_USER_H

#include <asm/sigcontext.h>
#include <asm/ucontext.h>
#include <linux/futex.h>
#include <linux/mman.h>
#include <linux/sched.h>

#define PAGE		4096UL
#define MAX_THREADS	16

static inline long sys6(long nr, long a, long b, long c, long d, long e, long f)
{
	register long a7 __asm__("a7") = nr;
	register long a0 __asm__("a0") = a;
	register long a1 __asm__("a1") = b;
	register long a2 __asm__("a2") = c;
	register long a3 __asm__("a3") = d;
	register long a4 __asm__("a4") = e;
	register long a5 __asm__("a5") = f;

	__asm__ volatile("ecall" : "+r"(a0) : "r"(a7), "r"(a1), "r"(a2), "r"(a3),
			 "r"(a4), "r"(a5) : "memory");
	return a0;
}

#define sys(nr, ...)		sys_(nr, ##__VA_ARGS__, 0, 0, 0, 0, 0, 0)
#define sys_(nr, a, b, c, d, e, f, ...) \
	sys6(nr, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))

static inline void die(const char *what, long err)
{
	printf("not ok %s: %ld\n", what, err);
	sys(__NR_exit_group, 1);
}

/* Exits if a call failed. */
static inline long must(const char *what, long result)
{
	if (result < 0 && result > -4096)
		die(what, result);
	return result;
}

static inline void *map_at(unsigned long at, unsigned long pages, int prot, int flags, int fd)
{
	return (void *)must("mmap", sys(__NR_mmap, at, pages * PAGE, prot,
					flags | (at ? MAP_FIXED_NOREPLACE : 0), fd, 0));
}

static inline void protect(const void *at, unsigned long pages, int prot)
{
	must("mprotect", sys(__NR_mprotect, at, pages * PAGE, prot));
}

static inline void unmap(const void *at, unsigned long pages)
{
	must("munmap", sys(__NR_munmap, at, pages * PAGE));
}

/* Threads. */

struct thread {
	int tid;
	void *stack;
	void (*fn)(void *arg);
	void *arg;
};

#define STACK_PAGES	8

static inline void thread_start(struct thread *t, void (*fn)(void *arg), void *arg)
{
	register long a0 __asm__("a0") = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND |
					 CLONE_THREAD | CLONE_SYSVSEM | CLONE_PARENT_SETTID |
					 CLONE_CHILD_CLEARTID;
	register long a1 __asm__("a1");
	register long a2 __asm__("a2") = (long)&t->tid;
	register long a3 __asm__("a3") = 0;
	register long a4 __asm__("a4") = (long)&t->tid;
	register long a7 __asm__("a7") = __NR_clone;
	unsigned long *top;

	t->fn = fn;
	t->arg = arg;
	t->stack = map_at(0, STACK_PAGES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	top = t->stack + STACK_PAGES * PAGE - 16;
	top[0] = (unsigned long)fn;
	top[1] = (unsigned long)arg;
	a1 = (long)top;

	__asm__ volatile("	ecall\n"
			 "	bnez	a0, 1f\n"
			 "	ld	t0, 0(sp)\n"
			 "	ld	a0, 8(sp)\n"
			 "	jalr	t0\n"
			 "	li	a0, 0\n"
			 "	li	a7, %[exit]\n"
			 "	ecall\n"
			 "1:\n"
			 : "+r"(a0)
			 : "r"(a1), "r"(a2), "r"(a3), "r"(a4), "r"(a7), [exit] "i"(__NR_exit)
			 : "memory", "t0", "ra");
	must("clone", a0);
}

static inline void thread_join(struct thread *t)
{
	int tid;

	while ((tid = __atomic_load_n(&t->tid, __ATOMIC_ACQUIRE)))
		sys(__NR_futex, &t->tid, FUTEX_WAIT, tid, 0);
	unmap(t->stack, STACK_PAGES);
}

/*
 * Accesses. The instruction is 4 bytes long. Registers that the handler uses:
 * t1		what to do: skip the access, return, or make the page accessible and retry
 * a0 to a2	signal, si_code and si_addr of the last signal
 * a3		the number of signals
 */

enum then { SKIP = 1, RETURN = 2, OPEN = 3 };

struct seen {
	long signal, code, addr, count;
};

#define ACCESS(at, then, insn, ...)						\
({										\
	register long a0 __asm__("a0") = 0;					\
	register long a1 __asm__("a1") = 0;					\
	register long a2 __asm__("a2") = 0;					\
	register long a3 __asm__("a3") = 0;					\
	register long t1 __asm__("t1") = then;					\
	register const void *t2 __asm__("t2") = at;				\
										\
	__asm__ volatile(".option push\n.option norvc\n" insn "\n.option pop"	\
			 : "+r"(a0), "+r"(a1), "+r"(a2), "+r"(a3)		\
			 : "r"(t1), "r"(t2)					\
			 : "memory", "t0", ##__VA_ARGS__);			\
	(struct seen){ a0, a1, a2, a3 };					\
})

static inline struct seen load(const void *at)
{
	return ACCESS(at, SKIP, "lb t0, (t2)");
}

static inline struct seen load8(const void *at)
{
	return ACCESS(at, SKIP, "ld t0, (t2)");
}

static inline struct seen store(const void *at)
{
	return ACCESS(at, SKIP, "sb zero, (t2)");
}

static inline struct seen store8(const void *at)
{
	return ACCESS(at, SKIP, "sd zero, (t2)");
}

static inline struct seen amo(const void *at)
{
	return ACCESS(at, SKIP, "amoadd.w t0, zero, (t2)");
}

static inline struct seen jump(const void *at)
{
	return ACCESS(at, RETURN, "jalr ra, (t2)", "ra");
}

/* Stores the address itself. */
static inline struct seen store_open(const void *at)
{
	return ACCESS(at, OPEN, "sd t2, (t2)");
}

static inline void on_fault(int signal, siginfo_t *info, void *context)
{
	struct user_regs_struct *regs = &((struct ucontext *)context)->uc_mcontext.sc_regs;

	regs->a0 = signal;
	regs->a1 = info->si_code;
	regs->a2 = (long)info->si_addr;
	regs->a3++;
	switch (regs->t1) {
	case SKIP:
		regs->pc += 4;
		break;
	case RETURN:
		regs->pc = regs->ra;
		break;
	case OPEN:
		protect((void *)(regs->t2 & -PAGE), 1, PROT_READ | PROT_WRITE);
		break;
	default:
		die("a signal for no access, at", (long)info->si_addr);
	}
}

static inline void catch_faults(void)
{
	static const int signals[] = { SIGSEGV, SIGBUS };
	struct {
		void (*handler)(int signal, siginfo_t *info, void *context);
		unsigned long flags;
		unsigned long mask;
	} action = { on_fault, SA_SIGINFO | SA_NODEFER, 0 };

	for (unsigned int i = 0; i < 2; i++)
		must("sigaction", sys(__NR_rt_sigaction, signals[i], &action, 0, 8));
}

static inline unsigned long nanoseconds(void)
{
	struct { long s, ns; } t;

	sys(__NR_clock_gettime, 1, &t);
	return t.s * 1000000000UL + t.ns;
}

#endif
