// SPDX-License-Identifier: GPL-2.0
/*
 * fetch_litmus: litmus tests of instruction fetch on the harts of this machine.
 *
 * A litmus test is a short program for one or more harts with an outcome that is
 * allowed or forbidden. In these tests one hart changes instructions that the same
 * or another hart executes, with and without what the RISC-V architecture and
 * Linux provide to make the change visible to instruction fetches: fence.i,
 * riscv_flush_icache(2), membarrier(2), and PR_RISCV_SET_ICACHE_FLUSH_CTX.
 *
 * This file is the whole program. It needs a 64-bit RISC-V Linux, a C library with
 * pthreads, and nothing else:
 *
 *	riscv64-linux-gnu-gcc -O2 -pthread -static -o fetch_litmus fetch_litmus.c
 *	scp fetch_litmus board:
 *	ssh board ./fetch_litmus
 *
 * The tests have the names of "ARMv8-A System Semantics: Instruction Fetch in
 * Relaxed Architectures" (Simner et al., ESOP 2020) where that has them: F is an
 * instruction fetch, R a load, W a store. How to read the output, and what each
 * test is about: Documentation/litmus-fetch.rst, or --list.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <getopt.h>
#include <glob.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#if !defined(__riscv) || __riscv_xlen != 64
#error "This program is for 64-bit RISC-V"
#endif

/* What older headers do not have. */
#ifndef PR_RISCV_SET_ICACHE_FLUSH_CTX
#define PR_RISCV_SET_ICACHE_FLUSH_CTX	71
#define PR_RISCV_CTX_SW_FENCEI_ON	0
#define PR_RISCV_SCOPE_PER_PROCESS	0
#endif
#ifndef MFD_EXEC
#define MFD_EXEC			0x10U
#endif
#define RISCV_FLUSH_ICACHE		259
#define RISCV_FLUSH_ICACHE_LOCAL	1
#define MEMBARRIER			283
#define MEMBARRIER_SYNC_CORE		0x20
#define MEMBARRIER_REGISTER_SYNC_CORE	0x40

#define HWPROBE				258
#define HWPROBE_IMA_EXT_1		16
#define HWPROBE_ZICCIF			0x8

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

/* Instructions. The registers are by their numbers. */

enum { ZERO = 0, RA = 1, T0 = 5, T2 = 7, A0 = 10, A1 = 11 };

#define NOP		0x00000013u
#define RET		0x00008067u
#define C_RET		0x8082u
#define C_EBREAK	0x9002u
#define C_LI_A0_5	0x4515u

static unsigned int lui(unsigned int rd, unsigned int imm)
{
	return imm << 12 | rd << 7 | 0x37;
}

static unsigned int auipc(unsigned int rd, unsigned int imm)
{
	return imm << 12 | rd << 7 | 0x17;
}

/* Only for offsets whose bits 11 and 20 are 0. */
static unsigned int jal(unsigned int rd, unsigned int offset)
{
	return (offset & 0x7fe) << 20 | (offset & 0xff000) | rd << 7 | 0x6f;
}

static unsigned int jalr(unsigned int rd, unsigned int rs, unsigned int imm)
{
	return imm << 20 | rs << 15 | rd << 7 | 0x67;
}

static unsigned int ld(unsigned int rd, unsigned int rs, unsigned int imm)
{
	return imm << 20 | rs << 15 | 3 << 12 | rd << 7 | 0x03;
}

static unsigned int sub(unsigned int rd, unsigned int rs1, unsigned int rs2)
{
	return 0x40000033 | rs2 << 20 | rs1 << 15 | rd << 7;
}

/*
 * What the functions that are changed return. Most changed instructions are a
 * "lui a0". OLD and NEW differ in the upper half of the instruction only, so that it
 * does not matter whether it is fetched at once. OLD and WIDE differ in both halves,
 * which can be recognized in the result.
 */
#define OLD_IMM		0x11111
#define NEW_IMM		0x22221
#define WIDE_IMM	0x22222
#define TORN_IMM	0x33333
#define OLD		(OLD_IMM << 12UL)
#define NEW		(NEW_IMM << 12UL)
#define WIDE		(WIDE_IMM << 12UL)
#define TORN		(TORN_IMM << 12UL)
#define UNTOUCHED	0x0badUL
/* A breakpoint at the changed instruction, or in its upper half; any other fault. */
#define TRAPPED		0x7a9UL
#define TRAPPED_REST	0x7abUL
#define FAULTED		0x7adUL

/* "lui a0" with these. */
#define OLD_INSN	(OLD_IMM << 12 | A0 << 7 | 0x37U)
#define NEW_INSN	(NEW_IMM << 12 | A0 << 7 | 0x37U)
#define WIDE_INSN	(WIDE_IMM << 12 | A0 << 7 | 0x37U)

/*
 * The memory that is changed and executed, and the offsets of the functions in it.
 *
 * A simulator such as Spike has an instruction cache in which addresses at a distance
 * of a multiple of 2 KiB evict each other. So the functions that call these are aligned
 * to 2 KiB and shorter than 1 KiB, and the called ones are at 1 KiB and above, modulo
 * 2 KiB.
 */
#define CODE_SIZE	0x3000UL
#define X		0x0440UL
#define Y		0x1640UL
#define LITERAL		0x1740UL

#define READER		__attribute((noinline, aligned(2048)))
#define ALWAYS		__attribute((always_inline))

static unsigned char *writable;
static unsigned char *executable;

enum flush {
	NONE, FENCE_I_READER, FENCE_I_WRITER, SYSCALL, SYSCALL_LOCAL, SYNC_CORE, FLUSH_CTX,
	ALL, NOT_1, NOT_2, NOT_3
};

static const char * const flush_names[] = {
	[NONE] = "none",
	[FENCE_I_READER] = "reader",
	[FENCE_I_WRITER] = "writer",
	[SYSCALL] = "syscall",
	[SYSCALL_LOCAL] = "syscall-local",
	[SYNC_CORE] = "membarrier",
	[FLUSH_CTX] = "prctl",
	[ALL] = "all",
	[NOT_1] = "not-1",
	[NOT_2] = "not-2",
	[NOT_3] = "not-3",
};

static const char * const flush_texts[] = {
	[NONE] = "no flush",
	[FENCE_I_READER] = "fence.i by the hart that executes the new code",
	[FENCE_I_WRITER] = "fence.i by the hart that writes it",
	[SYSCALL] = "riscv_flush_icache(2) by the writer, for all threads",
	[SYSCALL_LOCAL] = "riscv_flush_icache(2) by the writer, for its thread only",
	[SYNC_CORE] = "membarrier(2) by the writer, PRIVATE_EXPEDITED_SYNC_CORE",
	[FLUSH_CTX] = "PR_RISCV_SET_ICACHE_FLUSH_CTX, and fence.i before migrating",
	[ALL] = "riscv_flush_icache(2) after each step of the writer",
	[NOT_1] = "the same, but not after step 1",
	[NOT_2] = "the same, but not after step 2",
	[NOT_3] = "the same, but not after step 3",
};

/* What forbids an outcome. */
enum rule { ALLOWED, ZIFENCEI, ZIFENCEI_2025, ZIFENCEI_2026, LINUX, ZICCIF, ZICCID };

static const char * const rule_names[] = {
	[ALLOWED] = "-",
	[ZIFENCEI] = "zifencei",
	[ZIFENCEI_2025] = "zifencei-2025",
	[ZIFENCEI_2026] = "zifencei-2026",
	[LINUX] = "linux",
	[ZICCIF] = "ziccif",
	[ZICCID] = "ziccid",
};

/*
 * TOO_EARLY: the reader was faster than the writer, or got the breakpoint: this tells
 * nothing. AS_EXPECTED: the outcome with all flushes. MARKED: the outcome that the test
 * is about. OTHER: no order of stores and fetches explains it.
 */
enum outcome { TOO_EARLY, AS_EXPECTED, MARKED, OTHER, OUTCOMES };

#define MAX_THREADS	4
#define MAX_HARTS	1024
#define MAX_VARIANTS	6

struct thread {
	alignas(128) unsigned int id;
	unsigned int hart;
	unsigned long meetings;
	unsigned int random;
	unsigned long got[3];
	/* Of this round. */
	unsigned long counts[OUTCOMES];
	bool moved;
	pthread_t pthread;
};

struct variant {
	enum flush flush;
	enum rule rule;
};

struct shape {
	const char *name;
	const char *text;
	const char *marked;
	unsigned int harts;
	unsigned int threads;
	/* Write all code of the test; then the old or the new instruction. */
	void (*layout)(unsigned long at);
	void (*put)(unsigned long at, bool new);
	/* Which outcome a result of a single call is, for tests that loop. */
	enum outcome (*result)(unsigned long value);
	/* Which outcome a round had; NULL if the threads count themselves. */
	enum outcome (*judge)(void);
	/*
	 * Whether a round could have had the marked outcome. If it is NULL: whether the round
	 * had this one or the expected one, or the reader that loops both old and new.
	 */
	bool (*tried)(void);
	void (*body[MAX_THREADS])(struct thread *t);
	/* The offset of the changed instruction, if it is not X. */
	unsigned long at;
	/* Its code has instructions of 2 bytes, or between them. */
	bool compressed;
	unsigned int variants;
	struct variant variant[MAX_VARIANTS];
};

/* What the threads of a test share. */
static struct {
	alignas(128) unsigned long arrived;
	alignas(128) unsigned int flag;
	/* How often a reader that loops has called the code. */
	alignas(128) unsigned long calls;
	alignas(128) unsigned int stop;
	alignas(128) const struct shape *shape;
	enum flush flush;
	unsigned int threads;
	unsigned long at;
	unsigned long rounds;
	/* In this many of them a thread was not on its CPU, or a system call did not flush. */
	unsigned long discarded;
	unsigned long not_flushed;
	unsigned long tried;
	unsigned long counts[OUTCOMES];
	/* In this round. */
	bool flush_failed;
	struct timespec end;
} run;

static struct thread threads[MAX_THREADS];

/* Options. */
static unsigned long rounds_wanted = 100000;
static double seconds_wanted = 2;
static unsigned int seed = 1;
/* Linux depends on Ziccif, whether the ISA string has it or not. */
static enum { NOT_THERE, ASSUMED, IN_ISA } ziccif = ASSUMED;
static bool ziccid;
static bool same_mapping;
static unsigned int harts[MAX_HARTS];
static unsigned int hart_count;

/* The parts of the tests. Those that readers use are inline: see X. */

static inline ALWAYS void fence_i(void)
{
	/* Not by its name, since some assemblers want Zifencei in -march. */
	__asm__ volatile(".4byte 0x0000100f" : : : "memory");
}

static inline ALWAYS void fence_w_w(void)
{
	__asm__ volatile("fence w, w" : : : "memory");
}

/* With acquire, and with release. */
static inline ALWAYS unsigned int read_flag(const unsigned int *at)
{
	return __atomic_load_n(at, __ATOMIC_ACQUIRE);
}

static inline ALWAYS void set_flag(unsigned int *at)
{
	__atomic_store_n(at, 1, __ATOMIC_RELEASE);
}

/* Wait until all threads of the test are here. */
static inline ALWAYS void meet(struct thread *t)
{
	unsigned long all = ++t->meetings * run.threads;

	__atomic_add_fetch(&run.arrived, 1, __ATOMIC_ACQ_REL);
	while (__atomic_load_n(&run.arrived, __ATOMIC_ACQUIRE) < all)
		;
}

static inline ALWAYS unsigned int next_random(struct thread *t)
{
	unsigned int r = t->random;

	r ^= r << 13;
	r ^= r >> 17;
	r ^= r << 5;
	return t->random = r;
}

/* Wait for up to some thousand cycles, mostly less. */
static inline ALWAYS void delay(struct thread *t)
{
	unsigned int r = next_random(t);

	for (r &= (1u << (r >> 16) % 13) - 1; r; r--)
		__asm__ volatile("nop");
}

/*
 * The writer is about to make the last store. The reader only waits for this to be in
 * time: it orders nothing.
 */
static inline ALWAYS void announce(struct thread *t)
{
	__atomic_store_n(&run.flag, 1, __ATOMIC_RELAXED);
	delay(t);
}

static inline ALWAYS void await(struct thread *t)
{
	while (!__atomic_load_n(&run.flag, __ATOMIC_RELAXED))
		;
	delay(t);
}

/*
 * Call the function at an offset, whose code may be in the middle of a change. All jumps
 * are through t2, t0 or ra, which need no landing pad with Zicfilp.
 */
static inline ALWAYS unsigned long call_with(unsigned long offset, unsigned long argument)
{
	register unsigned long a0 __asm__("a0") = UNTOUCHED;
	register unsigned long a1 __asm__("a1") = argument;
	register unsigned long t0 __asm__("t0") = argument;
	register unsigned char *t2 __asm__("t2") = executable + offset;

	__asm__ volatile("jalr	ra, 0(%[to])"
			 : "+r"(a0), "+r"(a1), "+r"(t0), [to] "+r"(t2)
			 :
			 : "ra", "memory");
	return a0;
}

static inline ALWAYS unsigned long call(unsigned long offset)
{
	return call_with(offset, 0);
}

/* Execute the old code, so that caches have it. */
static inline ALWAYS void prime(struct thread *t, unsigned long offset)
{
	for (unsigned int i = 0; i < 4; i++)
		if (call(offset) != OLD)
			t->counts[OTHER]++;
}

static inline ALWAYS void put16(unsigned long at, unsigned int value)
{
	__atomic_store_n((unsigned short *)(writable + at), value, __ATOMIC_RELAXED);
}

static inline ALWAYS void put32(unsigned long at, unsigned int value)
{
	__atomic_store_n((unsigned int *)(writable + at), value, __ATOMIC_RELAXED);
}

static inline ALWAYS void put64(unsigned long at, unsigned long value)
{
	__atomic_store_n((unsigned long *)(writable + at), value, __ATOMIC_RELAXED);
}

static inline ALWAYS void check_flush(long error)
{
	if (error)
		__atomic_store_n(&run.flush_failed, true, __ATOMIC_RELAXED);
}

static void flush_all(void)
{
	check_flush(syscall(RISCV_FLUSH_ICACHE, executable, executable + CODE_SIZE, 0));
}

/* The flush of the hart that writes. */
static inline ALWAYS void flush_by_writer(void)
{
	switch (run.flush) {
	case FENCE_I_WRITER:
		fence_i();
		break;
	case SYSCALL:
		flush_all();
		break;
	case SYSCALL_LOCAL:
		check_flush(syscall(RISCV_FLUSH_ICACHE, executable, executable + CODE_SIZE,
				    RISCV_FLUSH_ICACHE_LOCAL));
		break;
	case SYNC_CORE:
		check_flush(syscall(MEMBARRIER, MEMBARRIER_SYNC_CORE, 0, 0));
		break;
	default:
		break;
	}
}

static inline ALWAYS void flush_by_reader(void)
{
	if (run.flush == FENCE_I_READER)
		fence_i();
}

static void move_to(unsigned int hart)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(hart, &set);
	if (sched_setaffinity(0, sizeof(set), &set)) {
		perror("fetch_litmus: sched_setaffinity");
		exit(2);
	}
}

/* Functions that are changed. */

/* lui a0, OLD or NEW; ret */
static void lui_put(unsigned long at, bool new)
{
	put32(at, new ? NEW_INSN : OLD_INSN);
}

static void lui_layout(unsigned long at)
{
	lui_put(at, false);
	put32(at + 4, RET);
}

static void two_layout(unsigned long at)
{
	lui_layout(at);
	lui_layout(Y);
}

/* The same with WIDE. */
static void wide_put(unsigned long at, bool new)
{
	put32(at, new ? WIDE_INSN : OLD_INSN);
}

static void wide_layout(unsigned long at)
{
	wide_put(at, false);
	put32(at + 4, RET);
}

/* The same where the instruction is not aligned to its size: in two halves. */
static void halves_put(unsigned long at, bool new)
{
	unsigned int insn = new ? WIDE_INSN : OLD_INSN;

	put16(at, insn & 0xffff);
	put16(at + 2, insn >> 16);
}

static void halves_layout(unsigned long at)
{
	halves_put(at, false);
	put16(at + 4, C_RET);
}

static enum outcome wide_result(unsigned long value)
{
	switch (value) {
	case OLD:
		return TOO_EARLY;
	case WIDE:
		return AS_EXPECTED;
	/* The upper half of one and the lower half of the other. */
	case 0x11112000UL:
	case 0x22221000UL:
		return MARKED;
	default:
		return OTHER;
	}
}

/* The same where the reader may get the breakpoint. */
static enum outcome breakpoint_result(unsigned long value)
{
	return value == TRAPPED ? TOO_EARLY : wide_result(value);
}

/* As a static key: nop or jal. Half a jal jumps to another function. */
static void jal_put(unsigned long at, bool new)
{
	put32(at, new ? jal(ZERO, 0x1020) : NOP);
}

static void jal_layout(unsigned long at)
{
	jal_put(at, false);
	put32(at + 4, OLD_INSN);
	put32(at + 8, RET);
	put32(at + 0x1020, NEW_INSN);
	put32(at + 0x1024, RET);
	put32(at + 0x1000, lui(A0, TORN_IMM));
	put32(at + 0x1004, RET);
}

/*
 * As the entry of a traced function: auipc, and nop or jalr. The lower half of this
 * jalr with the upper half of the nop returns at once.
 */
static void jalr_put(unsigned long at, bool new)
{
	put32(at + 4, new ? jalr(T0, T0, 0x20) : NOP);
}

static void jalr_layout(unsigned long at)
{
	put32(at, auipc(T0, 0));
	jalr_put(at, false);
	put32(at + 8, OLD_INSN);
	put32(at + 12, RET);
	put32(at + 0x20, NEW_INSN);
	put32(at + 0x24, RET);
}

static enum outcome jump_result(unsigned long value)
{
	switch (value) {
	case OLD:
		return TOO_EARLY;
	case NEW:
		return AS_EXPECTED;
	case TORN:
	case UNTOUCHED:
		return MARKED;
	default:
		return OTHER;
	}
}

/* One instruction of 4 bytes, replaced by two of 2: "c.li a0, 5" and "ret". */
#define SPLIT_NEW	(C_RET << 16 | C_LI_A0_5)

static void split_put(unsigned long at, bool new)
{
	put32(at, new ? SPLIT_NEW : lui(A0, C_EBREAK << 4));
}

static void split_layout(unsigned long at)
{
	split_put(at, false);
	put32(at + 4, RET);
}

/* Half of the old instruction is c.ebreak, after the new c.li; half of the new one a lui. */
#define SPLIT_OLD_VALUE	((unsigned long)(int)(C_EBREAK << 16))
#define SPLIT_TORN	((unsigned long)(int)(C_RET << 16))

/* Torn: the lower half of the old instruction and the upper half of the new ones. */
static enum outcome split_result(unsigned long value)
{
	switch (value) {
	case SPLIT_OLD_VALUE:
	case TRAPPED_REST:
		return TOO_EARLY;
	case 5:
		return AS_EXPECTED;
	case SPLIT_TORN:
		return MARKED;
	default:
		return OTHER;
	}
}

/*
 * The new first one, and then half of the old one. A hart that fetches at once may do
 * this, too, since it may drop what follows the first one and fetch it again.
 */
static enum outcome split_rest_result(unsigned long value)
{
	switch (value) {
	case SPLIT_OLD_VALUE:
	case SPLIT_TORN:
		return TOO_EARLY;
	case 5:
		return AS_EXPECTED;
	case TRAPPED_REST:
		return MARKED;
	default:
		return OTHER;
	}
}

/*
 * Two instructions: "nop; nop" or "auipc t0; jalr t0". The caller sets t0 and a1 to the
 * same address, to which jalr jumps without auipc; after auipc without jalr they differ.
 * With t0, the lower half of this jalr with the upper half of the nop is "ret", and its
 * upper half with the lower half of the nop is a nop, as in jalr_put().
 */
#define PAIR_ARGUMENT	((unsigned long)executable + X + 0x40)

static void pair_put(unsigned long at, bool new)
{
	put64(at, new ? (unsigned long)jalr(ZERO, T0, 0x20) << 32 | auipc(T0, 0) :
			(unsigned long)NOP << 32 | NOP);
}

static void pair_layout(unsigned long at)
{
	pair_put(at, false);
	put32(at + 8, sub(A0, T0, A1));
	put32(at + 12, RET);
	put32(at + 0x20, NEW_INSN);
	put32(at + 0x24, RET);
	put32(at + 0x60, lui(A0, TORN_IMM));
	put32(at + 0x64, RET);
}

static enum outcome pair_result(unsigned long value)
{
	if (value == 0)
		return TOO_EARLY;
	if (value == NEW)
		return AS_EXPECTED;
	if (value == TORN || value == UNTOUCHED || value == -0x40UL)
		return MARKED;
	return OTHER;
}

/*
 * A load of a pointer to a function, the literal, and a jump there. The caller passes the
 * literal's address. Either the load is changed, from that of another pointer, or a jump to
 * the load, from one to other code, as a traced function's to ftrace's.
 */
static unsigned long stub(unsigned int n)
{
	return LITERAL + 0x20 + 8 * n;
}

static void literal_set(unsigned int n)
{
	put64(LITERAL, (unsigned long)executable + stub(n));
}

static void literal_stubs(void)
{
	put32(stub(0), lui(A0, TORN_IMM));
	put32(stub(0) + 4, RET);
	put32(stub(1), NEW_INSN);
	put32(stub(1) + 4, RET);
	put32(stub(2), OLD_INSN);
	put32(stub(2) + 4, RET);
	literal_set(0);
	put64(LITERAL + 8, (unsigned long)executable + stub(2));
}

static void load_put(unsigned long at, bool new)
{
	put32(at, ld(T2, A1, new ? 0 : 8));
}

static void load_layout(unsigned long at)
{
	load_put(at, false);
	put32(at + 4, jalr(ZERO, T2, 0));
	literal_stubs();
}

#define TO_LOAD		0x20

static void site_put(unsigned long at, bool new)
{
	put32(at, jal(ZERO, new ? TO_LOAD : 8));
}

static void site_layout(unsigned long at)
{
	site_put(at, false);
	lui_layout(at + 8);
	put32(at + TO_LOAD, ld(T2, A1, 0));
	put32(at + TO_LOAD + 4, jalr(ZERO, T2, 0));
	literal_stubs();
}

/* The tests. */

/* SM: a hart executes what it has written itself. */
static READER void sm(struct thread *t)
{
	prime(t, X);
	put32(X, NEW_INSN);
	flush_by_reader();
	flush_by_writer();
	t->got[0] = call(X);
}

static enum outcome last_is_new(unsigned long value)
{
	return value == NEW ? AS_EXPECTED : value == OLD ? MARKED : OTHER;
}

static enum outcome sm_judge(void)
{
	return last_is_new(threads[0].got[0]);
}

/*
 * SM.migrate: a thread writes, executes fence.i, and continues on another hart, which
 * has executed the old code.
 */
static READER void migrate(struct thread *t)
{
	move_to(harts[1]);
	fence_i();
	prime(t, X);
	move_to(harts[0]);
	put32(X, NEW_INSN);
	flush_by_writer();
	if (run.flush != SYSCALL)
		fence_i();
	move_to(harts[1]);
	t->got[0] = call(X);
	/* If the CPU went offline, this is another one. */
	t->got[1] = sched_getcpu() == (int)harts[1];
	move_to(harts[0]);
}

static bool migrate_tried(void)
{
	return threads[0].got[1];
}

/* MP.RF: code, then a flag; the reader reads the flag, then fetches the code. */
static void mp_rf_writer(struct thread *t)
{
	meet(t);
	delay(t);
	put32(X, NEW_INSN);
	flush_by_writer();
	set_flag(&run.flag);
}

static READER void mp_rf_reader(struct thread *t)
{
	prime(t, X);
	meet(t);
	while (!read_flag(&run.flag))
		;
	flush_by_reader();
	t->got[0] = call(X);
}

/* The same, but nothing orders the reader's load, other than fence.i. */
static READER void mp_rf_reader_relaxed(struct thread *t)
{
	prime(t, X);
	meet(t);
	while (!__atomic_load_n(&run.flag, __ATOMIC_RELAXED))
		;
	flush_by_reader();
	t->got[0] = call(X);
}

static enum outcome reader_judge(void)
{
	return last_is_new(threads[1].got[0]);
}

/* CoRF: the reader reads the new code, then fetches it. */
static void store_writer(struct thread *t)
{
	meet(t);
	delay(t);
	announce(t);
	put32(X, NEW_INSN);
}

static READER void corf_reader(struct thread *t)
{
	prime(t, X);
	meet(t);
	while (read_flag((unsigned int *)(executable + X)) != NEW_INSN)
		;
	flush_by_reader();
	t->got[0] = call(X);
}

/* CoFR: it fetches the new code, then reads it. */
static READER void cofr_reader(struct thread *t)
{
	meet(t);
	await(t);
	t->got[0] = call(X);
	t->got[1] = __atomic_load_n((unsigned int *)(executable + X), __ATOMIC_RELAXED);
}

static enum outcome cofr_judge(void)
{
	unsigned long fetched = threads[1].got[0], read = threads[1].got[1];

	if ((fetched != OLD && fetched != NEW) || (read != OLD_INSN && read != NEW_INSN))
		return OTHER;
	if (fetched == OLD)
		return TOO_EARLY;
	return read == NEW_INSN ? AS_EXPECTED : MARKED;
}

/* CoFF: it fetches the new code, then fetches the old one. */
static READER void coff_reader(struct thread *t)
{
	unsigned long last, back = 0, other;

	meet(t);
	await(t);
	last = call(X);
	t->got[2] = last;
	other = last != OLD && last != NEW;
	for (unsigned int i = 0; i < 64; i++) {
		unsigned long now;

		flush_by_reader();
		now = call(X);
		back += last == NEW && now == OLD;
		other += now != OLD && now != NEW;
		last = now;
	}
	t->got[0] = last;
	t->got[1] = back;
	t->counts[OTHER] += other;
}

static enum outcome coff_judge(void)
{
	if (threads[1].got[1])
		return MARKED;
	return threads[1].got[0] == NEW ? AS_EXPECTED : TOO_EARLY;
}

static bool coff_tried(void)
{
	return threads[1].got[2] == OLD && threads[1].got[0] == NEW;
}

/* MP.FF: code at X, then at Y; the reader fetches Y, then X. */
static void mp_ff_writer(struct thread *t)
{
	meet(t);
	delay(t);
	put32(X, NEW_INSN);
	fence_w_w();
	flush_by_writer();
	announce(t);
	put32(Y, NEW_INSN);
}

static READER void mp_ff_reader(struct thread *t)
{
	prime(t, X);
	meet(t);
	await(t);
	t->got[0] = call(Y);
	flush_by_reader();
	t->got[1] = call(X);
}

static enum outcome new_then(const struct thread *t)
{
	if (t->got[0] == OLD)
		return TOO_EARLY;
	return t->got[0] == NEW ? last_is_new(t->got[1]) : OTHER;
}

static enum outcome mp_ff_judge(void)
{
	return new_then(&threads[1]);
}

/*
 * MP.F+load: data, then the instruction that loads it. MP.FR: data, then a jump to the
 * load. The reader fetches the changed instruction, then loads.
 */
static void literal_writer(struct thread *t)
{
	meet(t);
	delay(t);
	literal_set(1);
	fence_w_w();
	flush_by_writer();
	announce(t);
	run.shape->put(X, true);
}

static inline ALWAYS void literal_reader(struct thread *t)
{
	meet(t);
	await(t);
	t->got[0] = call_with(X, (unsigned long)executable + LITERAL);
}

static READER void load_reader(struct thread *t)
{
	/* Have the old data in the cache. */
	(void)__atomic_load_n((unsigned long *)(executable + LITERAL), __ATOMIC_RELAXED);
	literal_reader(t);
}

static READER void site_reader(struct thread *t)
{
	/* The same, and the load in that of instructions. */
	if (call_with(X + TO_LOAD, (unsigned long)executable + LITERAL) != TORN)
		t->counts[OTHER]++;
	literal_reader(t);
}

static enum outcome literal_judge(void)
{
	switch (threads[1].got[0]) {
	case OLD:
		return TOO_EARLY;
	case NEW:
		return AS_EXPECTED;
	case TORN:
		return MARKED;
	default:
		return OTHER;
	}
}

/* SB.FF: each of two harts writes code, then executes what the other writes. */
static inline ALWAYS void sb(struct thread *t, unsigned long mine, unsigned long yours)
{
	prime(t, yours);
	meet(t);
	delay(t);
	put32(mine, NEW_INSN);
	flush_by_reader();
	t->got[0] = call(yours);
}

static READER void sb_x(struct thread *t)
{
	sb(t, X, Y);
}

static READER void sb_y(struct thread *t)
{
	sb(t, Y, X);
}

static enum outcome sb_judge(void)
{
	enum outcome a = last_is_new(threads[0].got[0]), b = last_is_new(threads[1].got[0]);

	if (a == OTHER || b == OTHER)
		return OTHER;
	return a == MARKED && b == MARKED ? MARKED : AS_EXPECTED;
}

/* If both had the new code, they ran at the same time; else perhaps one after the other. */
static bool sb_tried(void)
{
	return threads[0].got[0] == NEW && threads[1].got[0] == NEW;
}

/* IRIW.FF: two harts write code; two others disagree about which was first. */
static void iriw_writer_y(struct thread *t)
{
	meet(t);
	delay(t);
	announce(t);
	put32(Y, NEW_INSN);
}

static inline ALWAYS void iriw(struct thread *t, unsigned long first, unsigned long second)
{
	prime(t, second);
	meet(t);
	await(t);
	t->got[0] = call(first);
	flush_by_reader();
	t->got[1] = call(second);
}

static READER void iriw_xy(struct thread *t)
{
	iriw(t, X, Y);
}

static READER void iriw_yx(struct thread *t)
{
	iriw(t, Y, X);
}

static enum outcome iriw_judge(void)
{
	enum outcome a = new_then(&threads[2]), b = new_then(&threads[3]);

	if (a == OTHER || b == OTHER)
		return OTHER;
	if (a == TOO_EARLY || b == TOO_EARLY)
		return TOO_EARLY;
	return a == MARKED && b == MARKED ? MARKED : AS_EXPECTED;
}

/* If a reader had new and old code, it was between the two stores. */
static bool iriw_tried(void)
{
	return new_then(&threads[2]) == MARKED || new_then(&threads[3]) == MARKED;
}

/* The writer waits until a reader that loops is in its loop. */
static unsigned long calls(void)
{
	return __atomic_load_n(&run.calls, __ATOMIC_RELAXED);
}

static void await_calls(struct thread *t)
{
	while (!calls())
		;
	delay(t);
}

/*
 * W+F: a hart executes an instruction while another one changes it, back and forth,
 * until the reader has executed it some times. Where caches of instructions are not
 * coherent, it sees the changes only with its fence.i.
 */
static void wf_writer(struct thread *t)
{
	meet(t);
	await_calls(t);
	for (unsigned int i = 0; i < 16 || (calls() < 64 && i < 4096); i++) {
		delay(t);
		run.shape->put(run.at, !(i & 1));
	}
	run.shape->put(run.at, true);
	delay(t);
	set_flag(&run.flag);
}

static void wf_writer_once(struct thread *t)
{
	meet(t);
	await_calls(t);
	run.shape->put(run.at, true);
	delay(t);
	set_flag(&run.flag);
}

static READER void wf_reader(struct thread *t)
{
	unsigned long argument = PAIR_ARGUMENT, n = 0;

	meet(t);
	while (!read_flag(&run.flag)) {
		flush_by_reader();
		t->counts[run.shape->result(call_with(run.at, argument))]++;
		__atomic_store_n(&run.calls, ++n, __ATOMIC_RELAXED);
	}
}

/*
 * BP: an instruction of 4 bytes that is not aligned is changed in steps, while it is
 * executed: 1. its head becomes c.ebreak, 2. its tail is written, 3. its head.
 */
static void bp_steps(void)
{
	put16(run.at, C_EBREAK);
	fence_w_w();
	if (run.flush != NOT_1 && run.flush != NONE)
		flush_all();
	put16(run.at + 2, WIDE_INSN >> 16);
	fence_w_w();
	if (run.flush != NOT_2 && run.flush != NONE)
		flush_all();
	put16(run.at, WIDE_INSN & 0xffff);
	fence_w_w();
	if (run.flush != NOT_3 && run.flush != NONE)
		flush_all();
}

static void bp_writer(struct thread *t)
{
	meet(t);
	await_calls(t);
	bp_steps();
	set_flag(&run.flag);
}

/* BP.done: after the last step, the reader must not get the breakpoint any more. */
static READER void bp_done_reader(struct thread *t)
{
	unsigned long n = 0, trapped = 0, other = 0;

	meet(t);
	while (!read_flag(&run.flag)) {
		unsigned long now = call(run.at);

		trapped += now == TRAPPED;
		other += breakpoint_result(now) == OTHER;
		__atomic_store_n(&run.calls, ++n, __ATOMIC_RELAXED);
	}
	t->got[0] = call(run.at);
	t->got[1] = trapped;
	t->counts[OTHER] += other;
}

static bool bp_done_tried(void)
{
	return threads[1].got[1];
}

static enum outcome bp_done_judge(void)
{
	switch (breakpoint_result(threads[1].got[0])) {
	case AS_EXPECTED:
		return AS_EXPECTED;
	case TOO_EARLY:
		return MARKED;
	default:
		return OTHER;
	}
}

#define VARIANTS(...)								\
	.variants = sizeof((struct variant[]){ __VA_ARGS__ }) / sizeof(struct variant),	\
	.variant = { __VA_ARGS__ }

#define CROSS(at_, bytes)							\
	{									\
		.name = "W+F.cross" bytes,					\
		.text = "an instruction across a boundary of that many bytes",	\
		.marked = "half of the old one and half of the new one",	\
		.harts = 2, .threads = 2, .at = at_, .compressed = true,	\
		.layout = halves_layout, .put = halves_put, .result = wide_result, \
		.body = { wf_writer, wf_reader },				\
		VARIANTS({ NONE, ALLOWED }, { FENCE_I_READER, ALLOWED }),	\
	}

#define BREAKPOINT(at_, bytes)							\
	{									\
		.name = "BP.cross" bytes,					\
		.text = "the same, breakpoint first: c.ebreak, tail, head",	\
		.marked = "half of the old one and half of the new one",	\
		.harts = 2, .threads = 2, .at = at_, .compressed = true,	\
		.layout = halves_layout, .put = halves_put, .result = breakpoint_result, \
		.body = { bp_writer, wf_reader },				\
		VARIANTS({ ALL, LINUX }, { NOT_1, ALLOWED }, { NOT_2, ALLOWED },	\
			 { NONE, ALLOWED }),					\
	}

static const struct shape shapes[] = {
	{
		.name = "SM", .text = "a hart executes what it has written",
		.marked = "the old code",
		.harts = 1, .threads = 1, .layout = lui_layout, .put = lui_put, .judge = sm_judge,
		.body = { sm },
		VARIANTS({ NONE, ALLOWED }, { FENCE_I_READER, ZIFENCEI }, { SYSCALL, LINUX },
			 { SYSCALL_LOCAL, LINUX }, { SYNC_CORE, LINUX }),
	}, {
		.name = "SM.migrate",
		.text = "the same, after migrating to a hart that has executed the old code",
		.marked = "the old code",
		.harts = 2, .threads = 1, .layout = lui_layout, .put = lui_put, .judge = sm_judge,
		.tried = migrate_tried, .body = { migrate },
		VARIANTS({ FENCE_I_WRITER, ALLOWED }, { FLUSH_CTX, LINUX }, { SYSCALL, LINUX }),
	}, {
		.name = "MP.RF", .text = "code, then a flag; the reader reads it, and fetches",
		.marked = "the flag, and the old code",
		.harts = 2, .threads = 2, .layout = lui_layout, .put = lui_put,
		.judge = reader_judge, .body = { mp_rf_writer, mp_rf_reader },
		VARIANTS({ NONE, ALLOWED }, { FENCE_I_WRITER, ALLOWED },
			 { FENCE_I_READER, ZIFENCEI }, { SYSCALL, LINUX },
			 { SYSCALL_LOCAL, ALLOWED }, { SYNC_CORE, LINUX }),
	}, {
		.name = "MP.RF.po", .text = "the same, without an acquire before fence.i",
		.marked = "the flag, and the old code",
		.harts = 2, .threads = 2, .layout = lui_layout, .put = lui_put,
		.judge = reader_judge, .body = { mp_rf_writer, mp_rf_reader_relaxed },
		VARIANTS({ FENCE_I_READER, ZIFENCEI_2025 }),
	}, {
		.name = "CoRF", .text = "the reader reads the new code as data, and fetches it",
		.marked = "the old code",
		.harts = 2, .threads = 2, .layout = lui_layout, .put = lui_put,
		.judge = reader_judge, .body = { store_writer, corf_reader },
		VARIANTS({ NONE, ALLOWED }, { FENCE_I_READER, ZIFENCEI }),
	}, {
		.name = "CoFR", .text = "the reader fetches the new code, and reads it as data",
		.marked = "the old code as data",
		.harts = 2, .threads = 2, .layout = lui_layout, .put = lui_put,
		.judge = cofr_judge, .body = { store_writer, cofr_reader },
		VARIANTS({ NONE, ZICCID }),
	}, {
		.name = "CoFF", .text = "the reader fetches code again and again",
		.marked = "the new code, then the old code",
		.harts = 2, .threads = 2, .layout = lui_layout, .put = lui_put,
		.judge = coff_judge, .tried = coff_tried, .body = { store_writer, coff_reader },
		VARIANTS({ NONE, ZICCID }, { FENCE_I_READER, ZIFENCEI_2026 }),
	}, {
		.name = "MP.FF", .text = "code at X, then at Y; the reader fetches Y, then X",
		.marked = "the new Y, and the old X",
		.harts = 2, .threads = 2, .layout = two_layout, .put = lui_put,
		.judge = mp_ff_judge, .body = { mp_ff_writer, mp_ff_reader },
		VARIANTS({ NONE, ZICCID }, { FENCE_I_READER, ZIFENCEI_2026 }, { SYSCALL, LINUX },
			 { SYNC_CORE, LINUX }),
	}, {
		.name = "MP.F+load", .text = "a pointer, then the instruction that loads it",
		.marked = "the new instruction, and the old pointer",
		.harts = 2, .threads = 2, .layout = load_layout, .put = load_put,
		.judge = literal_judge, .body = { literal_writer, load_reader },
		VARIANTS({ NONE, ZIFENCEI_2025 }, { SYSCALL, LINUX }, { SYNC_CORE, LINUX }),
	}, {
		.name = "MP.FR", .text = "a pointer, then a jump to code that loads it, as ftrace",
		.marked = "the new jump, and the old pointer",
		.harts = 2, .threads = 2, .layout = site_layout, .put = site_put,
		.judge = literal_judge, .body = { literal_writer, site_reader },
		VARIANTS({ NONE, ZICCID }, { SYSCALL, LINUX }, { SYNC_CORE, LINUX }),
	}, {
		.name = "SB.FF", .text = "two harts write code, and fetch what the other writes",
		.marked = "the old code, on both",
		.harts = 2, .threads = 2, .layout = two_layout, .put = lui_put,
		.judge = sb_judge, .tried = sb_tried, .body = { sb_x, sb_y },
		VARIANTS({ NONE, ALLOWED }, { FENCE_I_READER, ZIFENCEI_2025 }),
	}, {
		.name = "IRIW.FF", .text = "two harts write code, two others fetch it",
		.marked = "they disagree about which was written first",
		.harts = 4, .threads = 4, .layout = two_layout, .put = lui_put,
		.judge = iriw_judge, .tried = iriw_tried,
		.body = { store_writer, iriw_writer_y, iriw_xy, iriw_yx },
		VARIANTS({ NONE, ZICCID }, { FENCE_I_READER, ZIFENCEI_2026 }),
	}, {
		.name = "W+F.lui", .text = "an aligned instruction is changed while it is executed",
		.marked = "half of the old one and half of the new one",
		.harts = 2, .threads = 2, .layout = wide_layout, .put = wide_put,
		.result = wide_result, .body = { wf_writer, wf_reader },
		VARIANTS({ NONE, ZICCIF }, { FENCE_I_READER, ZICCIF }),
	}, {
		.name = "W+F.jal-nop", .text = "the same, nop and jal, as a static key",
		.marked = "a jal with half of its offset",
		.harts = 2, .threads = 2, .layout = jal_layout, .put = jal_put,
		.result = jump_result, .body = { wf_writer, wf_reader },
		VARIANTS({ NONE, ZICCIF }, { FENCE_I_READER, ZICCIF }),
	}, {
		.name = "W+F.jalr-nop", .text = "the same, nop and jalr after an auipc, as ftrace",
		.marked = "a jalr with half of its registers",
		.harts = 2, .threads = 2, .layout = jalr_layout, .put = jalr_put,
		.result = jump_result, .body = { wf_writer, wf_reader },
		VARIANTS({ NONE, ZICCIF }, { FENCE_I_READER, ZICCIF }),
	}, {
		.name = "W+F.split", .text = "an aligned instruction is replaced by two of 2 bytes",
		.marked = "half of the old one, then half of the new ones, as one instruction",
		.harts = 2, .threads = 2, .compressed = true,
		.layout = split_layout, .put = split_put,
		.result = split_result, .body = { wf_writer_once, wf_reader },
		VARIANTS({ NONE, ZICCIF }, { FENCE_I_READER, ZICCIF }),
	}, {
		.name = "W+F.split.FF", .text = "the same",
		.marked = "the new first one, and then half of the old one",
		.harts = 2, .threads = 2, .compressed = true,
		.layout = split_layout, .put = split_put,
		.result = split_rest_result, .body = { wf_writer_once, wf_reader },
		VARIANTS({ NONE, ZICCID }),
	}, {
		.name = "W+F.pair", .text = "nop, nop and auipc, jalr, in one aligned store",
		.marked = "one instruction of each",
		.harts = 2, .threads = 2, .layout = pair_layout, .put = pair_put,
		.result = pair_result, .body = { wf_writer, wf_reader },
		VARIANTS({ NONE, ALLOWED }, { FENCE_I_READER, ALLOWED }),
	},
	CROSS(0x0442, "4"), CROSS(0x044e, "16"), CROSS(0x047e, "64"), CROSS(0x0ffe, "4096"),
	BREAKPOINT(0x0442, "4"), BREAKPOINT(0x047e, "64"), BREAKPOINT(0x0ffe, "4096"),
	{
		.name = "BP.done", .text = "the same, and what the reader executes afterwards",
		.marked = "the breakpoint, or the old code",
		.harts = 2, .threads = 2, .at = 0x047e, .compressed = true, .layout = halves_layout,
		.put = halves_put, .judge = bp_done_judge, .tried = bp_done_tried,
		.body = { bp_writer, bp_done_reader },
		VARIANTS({ ALL, LINUX }, { NOT_3, ALLOWED }),
	},
};

/* Running a test. */

/*
 * A fault of the code under test: return from it. Everything here is async-signal-safe,
 * and only the registers of the interrupted thread are changed.
 */
static void on_fault(int number, siginfo_t *info, void *context)
{
	static const char message[] = "fetch_litmus: a fault outside of the tests\n";
	unsigned long *regs = (unsigned long *)((ucontext_t *)context)->uc_mcontext.__gregs;
	unsigned long pc = regs[0], changed = (unsigned long)executable + run.at;

	(void)info;
	if (pc - (unsigned long)executable >= CODE_SIZE && pc >= 4096) {
		(void)!write(STDERR_FILENO, message, sizeof(message) - 1);
		signal(number, SIG_DFL);
		return;
	}
	regs[0] = regs[RA];
	if (number == SIGTRAP && pc == changed)
		regs[A0] = TRAPPED;
	else if (number == SIGTRAP && pc == changed + 2)
		regs[A0] = TRAPPED_REST;
	else
		regs[A0] = FAULTED;
}

static void catch_faults(void)
{
	static const int numbers[] = { SIGILL, SIGTRAP, SIGSEGV, SIGBUS };
	struct sigaction action = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO };
	sigset_t set;

	sigemptyset(&action.sa_mask);
	for (unsigned int i = 0; i < ARRAY_SIZE(numbers); i++)
		sigaction(numbers[i], &action, NULL);
	/* A fault whose signal is blocked, as it may be by the parent, ends the program. */
	sigemptyset(&set);
	for (unsigned int i = 0; i < ARRAY_SIZE(numbers); i++)
		sigaddset(&set, numbers[i]);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
}

static bool over(void)
{
	struct timespec now;

	if (run.rounds >= rounds_wanted)
		return true;
	if (!run.rounds || run.rounds % 16)
		return false;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec > run.end.tv_sec ||
	       (now.tv_sec == run.end.tv_sec && now.tv_nsec >= run.end.tv_nsec);
}

/* All threads are at the end of a round. */
static void end_round(void)
{
	unsigned long counts[OUTCOMES] = { 0 };
	enum outcome outcome;
	bool discard = run.flush_failed, tried;

	for (unsigned int i = 0; i < run.threads; i++) {
		discard |= threads[i].moved;
		for (unsigned int j = 0; j < OUTCOMES; j++)
			counts[j] += threads[i].counts[j];
		memset(threads[i].counts, 0, sizeof(threads[i].counts));
	}
	run.rounds++;
	run.not_flushed += run.flush_failed;
	run.flush_failed = false;
	run.discarded += discard;
	if (discard)
		return;
	tried = counts[TOO_EARLY] && counts[AS_EXPECTED];
	if (run.shape->judge) {
		outcome = run.shape->judge();
		counts[outcome]++;
		tried = outcome == AS_EXPECTED || outcome == MARKED;
	}
	if (run.shape->tried)
		tried = run.shape->tried();
	run.tried += tried;
	for (unsigned int j = 0; j < OUTCOMES; j++)
		run.counts[j] += counts[j];
}

static void *thread_main(void *arg)
{
	struct thread *t = arg;

	move_to(t->hart);
	for (;;) {
		meet(t);
		if (t->id == 0) {
			run.stop = over();
			run.flag = 0;
			run.calls = 0;
			run.shape->layout(run.at);
		}
		meet(t);
		if (run.stop)
			return NULL;
		/* All threads have seen the stores of the first one. */
		fence_i();
		run.shape->body[t->id](t);
		/* When its CPU goes offline, a thread continues on another one. */
		t->moved = sched_getcpu() != (int)t->hart;
		meet(t);
		if (t->id == 0)
			end_round();
	}
}

/*
 * Tests under what is not undone are last. In a process that is registered for SYNC_CORE,
 * the kernel executes fence.i when it switches from a kernel thread to one of the process,
 * as it does where SM.migrate continues. That would hide what this test is about.
 */
static unsigned int stage(enum flush flush)
{
	return flush == SYNC_CORE ? 2 : flush == FLUSH_CTX;
}

/* Prepare the process for a flush. The reason why a test cannot run here; NULL if it can. */
static const char *unable(const struct shape *shape, enum flush flush)
{
	static char reason[64];

	if (hart_count < shape->harts) {
		snprintf(reason, sizeof(reason), "needs %u harts", shape->harts);
		return reason;
	}
	if (shape->compressed && !(getauxval(AT_HWCAP) & 1UL << ('C' - 'A')))
		return "needs the C extension";
	if (flush == SYNC_CORE && syscall(MEMBARRIER, MEMBARRIER_REGISTER_SYNC_CORE, 0, 0))
		return "the kernel has no membarrier SYNC_CORE";
	if (flush == FLUSH_CTX &&
	    prctl(PR_RISCV_SET_ICACHE_FLUSH_CTX, PR_RISCV_CTX_SW_FENCEI_ON,
		  PR_RISCV_SCOPE_PER_PROCESS, 0, 0))
		return "the kernel has no PR_RISCV_SET_ICACHE_FLUSH_CTX";
	if ((flush == SYSCALL || flush == SYSCALL_LOCAL || flush >= ALL) &&
	    syscall(RISCV_FLUSH_ICACHE, executable, executable, 0))
		return "the kernel has no riscv_flush_icache";
	return NULL;
}

static void run_threads(const struct shape *shape, enum flush flush)
{
	memset(&run, 0, sizeof(run));
	memset(threads, 0, sizeof(threads));
	run.shape = shape;
	run.flush = flush;
	run.threads = shape->threads;
	run.at = shape->at ? shape->at : X;
	clock_gettime(CLOCK_MONOTONIC, &run.end);
	run.end.tv_sec += (time_t)seconds_wanted;
	run.end.tv_nsec += (long)((seconds_wanted - (double)(time_t)seconds_wanted) * 1e9);
	if (run.end.tv_nsec >= 1000000000) {
		run.end.tv_nsec -= 1000000000;
		run.end.tv_sec++;
	}
	/* What nobody means to execute is a breakpoint. */
	for (unsigned long at = 0; at < CODE_SIZE; at += 2)
		put16(at, C_EBREAK);
	shape->layout(run.at);
	/* Threads execute fence.i in each round, so that this one need not succeed. */
	flush_all();
	run.flush_failed = false;
	for (unsigned int i = 0; i < shape->threads; i++) {
		int error;

		threads[i].id = i;
		threads[i].hart = harts[i];
		threads[i].random = (seed + i) * 2654435761u | 1;
		error = pthread_create(&threads[i].pthread, NULL, thread_main, &threads[i]);
		if (error) {
			fprintf(stderr, "fetch_litmus: cannot start a thread: %s\n",
				strerror(error));
			exit(2);
		}
	}
	for (unsigned int i = 0; i < shape->threads; i++)
		pthread_join(threads[i].pthread, NULL);
}

static bool is_forbidden(enum rule rule)
{
	switch (rule) {
	case ZIFENCEI:
	case ZIFENCEI_2025:
	case ZIFENCEI_2026:
	case LINUX:
		return true;
	case ZICCIF:
		return ziccif != NOT_THERE;
	case ZICCID:
		return ziccid;
	default:
		return false;
	}
}

/* What is known after all tests, for the table. */
struct row {
	const struct shape *shape;
	struct variant variant;
	const char *skipped;
	unsigned long rounds, discarded, tried;
	unsigned long counts[OUTCOMES];
};

static struct row rows[ARRAY_SIZE(shapes) * MAX_VARIANTS];
static unsigned int row_count;

static bool failed(const struct row *row)
{
	return row->counts[OTHER] || (row->counts[MARKED] && is_forbidden(row->variant.rule));
}

static bool told(const struct row *row)
{
	return row->tried || row->counts[MARKED] || row->counts[OTHER];
}

static void run_row(struct row *row)
{
	const struct shape *shape = row->shape;
	struct variant variant = row->variant;
	const char *why = unable(shape, variant.flush);

	if (!why) {
		run_threads(shape, variant.flush);
		if (run.not_flushed == run.rounds)
			why = "flush failed";
	}
	if (why) {
		row->skipped = strdup(why);
		printf("litmus: %s flush=%s harts=%u skipped: %s\n", shape->name,
		       flush_names[variant.flush], shape->harts, why);
	} else {
		row->rounds = run.rounds;
		row->discarded = run.discarded;
		row->tried = run.tried;
		memcpy(row->counts, run.counts, sizeof(row->counts));
		printf("litmus: %s flush=%s harts=%u cpus=", shape->name,
		       flush_names[variant.flush], shape->harts);
		for (unsigned int i = 0; i < shape->harts; i++)
			printf("%s%u", i ? "," : "", harts[i]);
		printf(" rounds=%lu discarded=%lu early=%lu expected=%lu tried=%lu", row->rounds,
		       row->discarded, row->counts[TOO_EARLY], row->counts[AS_EXPECTED],
		       row->tried);
		printf(" seen=%lu other=%lu forbidden=%s rule=%s\n", row->counts[MARKED],
		       row->counts[OTHER], is_forbidden(variant.rule) ? "yes" : "no",
		       rule_names[variant.rule]);
	}
	fflush(stdout);
}

/* Output. */

static const char *judged(enum rule rule)
{
	static char text[32];

	if (!is_forbidden(rule))
		return "allowed";
	if (rule == ZICCIF && ziccif == ASSUMED)
		return "forbidden by Linux's assumption (ziccif)";
	snprintf(text, sizeof(text), "forbidden by %s", rule_names[rule]);
	return text;
}

static int report(void)
{
	unsigned int bad = 0, ran = 0, nothing = 0;
	unsigned long discarded = 0;

	printf("\n%-13s %-13s %10s %12s %12s  %s\n", "test", "flush", "rounds", "expected",
	       "seen", "the marked outcome is");
	for (unsigned int i = 0; i < row_count; i++) {
		const struct row *row = &rows[i];
		enum rule rule = row->variant.rule;

		printf("%-13s %-13s ", row->shape->name, flush_names[row->variant.flush]);
		if (row->skipped) {
			printf("%10s %12s %12s  skipped: %s\n", "-", "-", "-", row->skipped);
			continue;
		}
		ran++;
		bad += failed(row);
		nothing += !told(row);
		discarded += row->discarded;
		printf("%10lu %12lu %12lu  ", row->rounds, row->counts[AS_EXPECTED],
		       row->counts[MARKED]);
		printf("%s: ", judged(rule));
		if (row->counts[MARKED])
			printf("%s", is_forbidden(rule) ? "SEEN" : "seen");
		else
			printf("%s", row->tried ? "never" : "nothing to tell");
		if (row->counts[OTHER])
			printf(", and %lu OTHER results", row->counts[OTHER]);
		printf("\n");
	}
	printf("\n");
	for (unsigned int i = 0; i < row_count; i++) {
		const struct row *row = &rows[i];

		if (!failed(row))
			continue;
		printf("FORBIDDEN: %s flush=%s: ", row->shape->name,
		       flush_names[row->variant.flush]);
		if (row->counts[MARKED] && is_forbidden(row->variant.rule))
			printf("%s; %s\n", row->shape->marked, judged(row->variant.rule));
		else
			printf("a result that no order of stores and fetches explains\n");
	}
	printf("verdict: %u tests ran, %u were skipped, %u told nothing, ", ran, row_count - ran,
	       nothing);
	printf("%u had a forbidden outcome", bad);
	if (discarded)
		printf("; %lu rounds were discarded: a thread left its CPU, or a flush failed",
		       discarded);
	printf("\n");
	if (bad)
		return 1;
	return ran > nothing ? 0 : 2;
}

static void list(void)
{
	printf("%-13s %-5s %s\n%-13s %-5s %s\n\n", "test", "harts", "what it does", "", "",
	       "the marked outcome");
	for (unsigned int i = 0; i < ARRAY_SIZE(shapes); i++)
		printf("%-13s %-5u %s\n%-13s %-5s %s\n", shapes[i].name, shapes[i].harts,
		       shapes[i].text, "", "", shapes[i].marked);
	printf("\n");
	for (unsigned int i = 0; i < ARRAY_SIZE(flush_names); i++)
		printf("flush=%-13s %s\n", flush_names[i], flush_texts[i]);
}

static const char usage_text[] =
	"usage: fetch_litmus [OPTION]... [TEST]...\n"
	"Litmus tests of instruction fetch on the harts of this machine. TEST is the beginning\n"
	"of a name, such as MP or W+F.cross; all tests run if there is none.\n"
	"\n"
	"  -n, --rounds=N      rounds of each test, at most (100000)\n"
	"  -s, --seconds=S     seconds for each test, at most (2)\n"
	"  -c, --harts=LIST    the CPUs to run on, such as 0,2,4; the first is the writer's\n"
	"                      (all that are allowed)\n"
	"  -f, --flush=NAME    only with this flush: see --list\n"
	"  -m, --map=HOW       alias: code is written through another mapping (the default);\n"
	"                      same: through the mapping that is executed\n"
	"      --no-ziccif     the machine does not promise to fetch aligned instructions at\n"
	"                      once (Ziccif): outcomes that only this forbids are allowed\n"
	"      --ziccid        it promises that fetches are in order and coherent (Ziccid);\n"
	"                      the default if /proc/cpuinfo or the device tree says so\n"
	"      --seed=N        seed of the random delays (1)\n"
	"  -l, --list          list all tests and flushes\n"
	"  -h, --help\n"
	"\n"
	"Prints a line \"litmus: ...\" for each test and flush, a table, and a verdict. The exit\n"
	"status is 0 if no forbidden outcome was seen, 1 if one was, and 2 if the program\n"
	"cannot run, or no test told anything.\n";

static void bad_usage(const char *what, const char *value)
{
	fprintf(stderr, "fetch_litmus: %s: %s\nTry fetch_litmus --help.\n", what, value);
	exit(2);
}

static unsigned long number(const char *what, const char *text, unsigned long max)
{
	char *end;
	unsigned long n;

	errno = 0;
	n = strtoul(text, &end, 10);
	if (*text < '0' || *text > '9' || *end || errno || n > max)
		bad_usage(what, text);
	return n;
}

static void allowed_harts(cpu_set_t *set)
{
	CPU_ZERO(set);
	if (sched_getaffinity(0, sizeof(*set), set)) {
		perror("fetch_litmus: sched_getaffinity");
		exit(2);
	}
}

static void parse_harts(const char *text)
{
	char *copy = strdup(text), *rest = copy, *word;
	cpu_set_t set;

	allowed_harts(&set);
	while ((word = strsep(&rest, ","))) {
		unsigned int hart = number("not a CPU", word, MAX_HARTS - 1);

		if (!CPU_ISSET(hart, &set))
			bad_usage("not a CPU that this process may use", word);
		for (unsigned int i = 0; i < hart_count; i++)
			if (harts[i] == hart)
				bad_usage("a CPU that is listed twice", word);
		harts[hart_count++] = hart;
	}
	free(copy);
}

static enum flush parse_flush(const char *text)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(flush_names); i++)
		if (!strcmp(flush_names[i], text))
			return i;
	bad_usage("no such flush", text);
	return NONE;
}

/* Whether all lines "isa" of /proc/cpuinfo have an extension. */
static bool has_extension(const char *name)
{
	FILE *file = fopen("/proc/cpuinfo", "r");
	char *line = NULL;
	size_t size = 0;
	unsigned int has = 0, all = 0;

	while (file && getline(&line, &size, file) >= 0) {
		if (strncmp(line, "isa\t", 4) && strncmp(line, "isa ", 4))
			continue;
		all++;
		for (char *word = strtok(line, "_\n"); word; word = strtok(NULL, "_\n"))
			has += !strcmp(word, name);
	}
	free(line);
	if (file)
		fclose(file);
	return all && has == all;
}

/* The same of all harts in the device tree. Linux prints only extensions that it knows. */
static bool device_tree_has(const char *name)
{
	char *word = NULL;
	size_t size = 0, has = 0;
	glob_t found;
	bool all;

	if (glob("/proc/device-tree/cpus/cpu@*", 0, NULL, &found))
		return false;
	for (size_t i = 0; i < found.gl_pathc; i++) {
		char path[PATH_MAX];
		bool here = false;
		FILE *file;

		snprintf(path, sizeof(path), "%s/riscv,isa-extensions", found.gl_pathv[i]);
		file = fopen(path, "r");
		while (file && getdelim(&word, &size, '\0', file) >= 0)
			here |= !strcmp(word, name);
		if (file)
			fclose(file);
		has += here;
	}
	all = has == found.gl_pathc;
	free(word);
	globfree(&found);
	return all;
}

/* The same of riscv_hwprobe(2), which says it of all harts that are online. */
static bool hwprobe_has_ziccif(void)
{
	struct { long long key; unsigned long long value; } pair = { .key = HWPROBE_IMA_EXT_1 };

	return !syscall(HWPROBE, &pair, 1, 0, NULL, 0) && pair.key == HWPROBE_IMA_EXT_1 &&
	       pair.value & HWPROBE_ZICCIF;
}

static void *mapping(int fd, int prot, int flags)
{
	void *at = mmap(NULL, CODE_SIZE, prot, flags, fd, 0);

	if (at == MAP_FAILED) {
		fprintf(stderr, "fetch_litmus: cannot map memory to execute: %s%s\n",
			strerror(errno), same_mapping ? "" : "; try --map=same");
		exit(2);
	}
	return at;
}

static void map_code(void)
{
	int fd;

	if (same_mapping) {
		writable = mapping(-1, PROT_READ | PROT_WRITE | PROT_EXEC,
				   MAP_PRIVATE | MAP_ANONYMOUS);
		executable = writable;
		return;
	}
	fd = memfd_create("fetch_litmus", MFD_EXEC);
	/* Kernels before 6.3 do not know the flag. */
	if (fd < 0 && errno == EINVAL)
		fd = memfd_create("fetch_litmus", 0);
	if (fd < 0 || ftruncate(fd, CODE_SIZE)) {
		fprintf(stderr, "fetch_litmus: memfd_create: %s; try --map=same\n",
			strerror(errno));
		exit(2);
	}
	writable = mapping(fd, PROT_READ | PROT_WRITE, MAP_SHARED);
	executable = mapping(fd, PROT_READ | PROT_EXEC, MAP_SHARED);
	close(fd);
}

static void print_machine(void)
{
	static const char * const ziccif_names[] = {
		[NOT_THERE] = "no", [ASSUMED] = "assumed", [IN_ISA] = "isa"
	};
	struct utsname name;

	uname(&name);
	printf("# fetch_litmus: %s %s %s; CPUs", name.sysname, name.release, name.machine);
	for (unsigned int i = 0; i < hart_count; i++)
		printf("%s%u", i ? "," : " ", harts[i]);
	printf("; map=%s rounds=%lu seconds=%g seed=%u ziccif=%s ziccid=%s\n",
	       same_mapping ? "same" : "alias", rounds_wanted, seconds_wanted, seed,
	       ziccif_names[ziccif], ziccid ? "yes" : "no");
	fflush(stdout);
}

static bool begins(const struct shape *shape, const char *text)
{
	return !strncmp(shape->name, text, strlen(text));
}

static bool selected(const struct shape *shape, char **names)
{
	if (!*names)
		return true;
	for (; *names; names++)
		if (begins(shape, *names))
			return true;
	return false;
}

static void check_names(char **names)
{
	for (; *names; names++) {
		bool found = false;

		for (unsigned int i = 0; i < ARRAY_SIZE(shapes); i++)
			found |= begins(&shapes[i], *names);
		if (!found)
			bad_usage("no such test", *names);
	}
}

int main(int argc, char **argv)
{
	enum { NO_ZICCIF = 256, ZICCID_YES, SEED };
	static const struct option options[] = {
		{ "rounds", required_argument, NULL, 'n' },
		{ "seconds", required_argument, NULL, 's' },
		{ "harts", required_argument, NULL, 'c' },
		{ "flush", required_argument, NULL, 'f' },
		{ "map", required_argument, NULL, 'm' },
		{ "no-ziccif", no_argument, NULL, NO_ZICCIF },
		{ "ziccid", no_argument, NULL, ZICCID_YES },
		{ "seed", required_argument, NULL, SEED },
		{ "list", no_argument, NULL, 'l' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 }
	};
	bool ziccid_wanted = false;
	int only = -1, option;
	char *end;

	if (has_extension("ziccif") || hwprobe_has_ziccif())
		ziccif = IN_ISA;
	ziccid = has_extension("ziccid") || device_tree_has("ziccid");
	while ((option = getopt_long(argc, argv, "n:s:c:f:m:lh", options, NULL)) != -1) {
		switch (option) {
		case 'n':
			rounds_wanted = number("not a number of rounds", optarg, 1000000000000UL);
			if (!rounds_wanted)
				bad_usage("not a number of rounds", optarg);
			break;
		case 's':
			seconds_wanted = strtod(optarg, &end);
			if (end == optarg || *end || !(seconds_wanted > 0 && seconds_wanted < 1e6))
				bad_usage("not a number of seconds", optarg);
			break;
		case 'c':
			parse_harts(optarg);
			break;
		case 'f':
			only = parse_flush(optarg);
			break;
		case 'm':
			same_mapping = !strcmp(optarg, "same");
			if (!same_mapping && strcmp(optarg, "alias"))
				bad_usage("not a mapping", optarg);
			break;
		case NO_ZICCIF:
			ziccif = NOT_THERE;
			break;
		case ZICCID_YES:
			ziccid_wanted = true;
			break;
		case SEED:
			seed = number("not a seed", optarg, UINT_MAX);
			break;
		case 'l':
			list();
			return 0;
		case 'h':
			fputs(usage_text, stdout);
			return 0;
		default:
			fputs("Try fetch_litmus --help.\n", stderr);
			return 2;
		}
	}
	if (ziccif == NOT_THERE && ziccid_wanted)
		bad_usage("Ziccid depends on Ziccif", "--no-ziccif with --ziccid");
	ziccid = ziccif != NOT_THERE && (ziccid || ziccid_wanted);
	check_names(argv + optind);
	if (!hart_count) {
		cpu_set_t set;

		allowed_harts(&set);
		for (unsigned int i = 0; i < MAX_HARTS; i++)
			if (CPU_ISSET(i, &set))
				harts[hart_count++] = i;
	}
	for (unsigned int i = 0; i < ARRAY_SIZE(shapes); i++)
		for (unsigned int j = 0; j < shapes[i].variants; j++)
			if (selected(&shapes[i], argv + optind) &&
			    (only < 0 || shapes[i].variant[j].flush == (enum flush)only))
				rows[row_count++] = (struct row){
					.shape = &shapes[i],
					.variant = shapes[i].variant[j],
				};
	if (!row_count)
		bad_usage("none of these tests has this flush", flush_names[only]);
	map_code();
	catch_faults();
	print_machine();
	for (unsigned int now = 0; now < 3; now++)
		for (unsigned int i = 0; i < row_count; i++)
			if (stage(rows[i].variant.flush) == now)
				run_row(&rows[i]);
	return report();
}
