// SPDX-License-Identifier: GPL-2.0
/*
 * Page faults as user space sees them: one line each, the same with C and Rust.
 * All addresses are chosen here, so that two runs can be compared.
 *
 * "faults table" tests kinds of memory, permissions and accesses;
 * "faults causes" tests some of them, while a trace event records the causes;
 * "faults gc TIMES THREADS" is the access pattern of a garbage collector;
 * "faults race TIMES THREADS" faults while other threads change the mappings.
 *
 * Ends with "done, 0 failures" and status 0, unless something differs from the
 * manuals: then its line begins with "not ok".
 */
#include <linux/memfd.h>
#include <linux/ptrace.h>
#include <linux/userfaultfd.h>

#include "user.h"

#define AT		0x10000000UL
#define MADV_GUARD	102	/* MADV_GUARD_INSTALL */

enum { MAPERR = 1, ACCERR = 2 };

static int failures;

static void see(const char *where, const char *access, struct seen s)
{
	printf("%s %s: signal %ld code %ld addr %lx times %ld\n", where, access, s.signal, s.code,
	       s.addr, s.count);
}

static bool is(struct seen s, long code, unsigned long addr)
{
	if (!code)
		return !s.count;
	return s.count == 1 && s.signal == SIGSEGV && s.code == code && s.addr == (long)addr;
}

/* Check an access against the si_code that it must cause; 0 for no signal. */
static void expect(const char *where, const char *access, struct seen s, long code,
		   const void *addr)
{
	if (!is(s, code, (unsigned long)addr)) {
		printf("not ok, code %ld was due: ", code);
		failures++;
	}
	see(where, access, s);
}

/*
 * Permissions of a mapping and the accesses that it allows, from the privileged
 * specification and mmap(2). A writable page is readable, since the specification
 * reserves pages that are writable and not readable.
 */
static const struct {
	int prot;
	const char *name;
	bool load, store, fetch;
} protections[] = {
	{ PROT_NONE,				"---", false, false, false },
	{ PROT_READ,				"r--", true,  false, false },
	{ PROT_WRITE,				"-w-", true,  true,  false },
	{ PROT_EXEC,				"--x", false, false, true },
	{ PROT_READ | PROT_WRITE,		"rw-", true,  true,  false },
	{ PROT_READ | PROT_EXEC,		"r-x", true,  false, true },
	{ PROT_WRITE | PROT_EXEC,		"-wx", true,  true,  true },
	{ PROT_READ | PROT_WRITE | PROT_EXEC,	"rwx", true,  true,  true },
};

static void fill_with_returns(void *at, unsigned long bytes)
{
	for (unsigned int *insn = at; (void *)insn < at + bytes; insn++)
		*insn = 0x00008067;	/* ret */
	__asm__ volatile("fence rw, rw" ::: "memory");
	sys(__NR_riscv_flush_icache, 0, 0, 0);
}

static int file(unsigned long pages)
{
	int fd = must("memfd_create", sys(__NR_memfd_create, "faults", MFD_CLOEXEC));
	void *text;

	must("ftruncate", sys(__NR_ftruncate, fd, pages * PAGE));
	text = map_at(0, pages, PROT_READ | PROT_WRITE, MAP_SHARED, fd);
	fill_with_returns(text, pages * PAGE);
	unmap(text, pages);
	return fd;
}

/* All permissions, on an untouched page and on a touched one. */
static void permissions(const char *kind, unsigned long at, int flags, int fd)
{
	char where[64];

	for (unsigned int i = 0; i < sizeof(protections) / sizeof(*protections); i++) {
		const __typeof__(*protections) *p = &protections[i];

		for (int touched = 0; touched < 2; touched++) {
			void *page = map_at(at, 1, touched ? PROT_READ | PROT_WRITE : p->prot,
					    flags, fd);

			snprintf(where, sizeof(where), "%s %s %s", kind, p->name,
				 touched ? "touched" : "untouched");
			if (touched) {
				fill_with_returns(page, PAGE);
				protect(page, 1, p->prot);
			}
			expect(where, "load", load(page + 8), p->load ? 0 : ACCERR, page + 8);
			expect(where, "store", store(page + 1025), p->store ? 0 : ACCERR,
			       page + 1025);
			expect(where, "amo", amo(page + 64), p->store ? 0 : ACCERR, page + 64);
			/* Untouched anonymous memory contains no code. */
			if (!p->fetch || touched || !(flags & MAP_ANONYMOUS))
				expect(where, "fetch", jump(page + 4), p->fetch ? 0 : ACCERR,
				       page + 4);
			unmap(page, 1);
		}
	}
}

/* Accesses that begin on a page that allows them and end on one that does not. */
static void boundaries(unsigned long at)
{
	void *page = map_at(at, 3, PROT_READ | PROT_WRITE | PROT_EXEC,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1);
	void *second = page + PAGE;
	unsigned int nop = 0x00000013;

	fill_with_returns(page, 3 * PAGE);
	memcpy(second - 2, &nop, 4);
	memcpy(second - 8, &nop, 4);
	sys(__NR_riscv_flush_icache, 0, 0, 0);

	protect(second, 1, PROT_NONE);
	see("boundary", "load", load8(second - 4));
	see("boundary", "store", store8(second - 4));
	expect("boundary", "half an instruction", jump(second - 2), ACCERR, second);
	expect("before boundary", "load", load(second - 1), 0, NULL);
	expect("after boundary", "load", load(second), ACCERR, second);
	expect("last byte", "store", store(second + PAGE - 1), ACCERR, second + PAGE - 1);
	expect("next page", "store", store(second + PAGE), 0, NULL);
	unmap(second, 1);
	expect("boundary to a hole", "half an instruction", jump(second - 2), MAPERR, second);
	expect("hole", "load", load(second), MAPERR, second);
	expect("hole", "store", store(second), MAPERR, second);
	expect("hole", "fetch", jump(second), MAPERR, second);
	unmap(page, 1);
	unmap(page + 2 * PAGE, 1);
}

static void elsewhere(unsigned long at)
{
	void *page;
	int fd;

	expect("null", "load", load(NULL), MAPERR, NULL);
	expect("null", "fetch", jump(NULL), MAPERR, NULL);
	expect("kernel", "store", store((void *)-4096L), MAPERR, (void *)-4096L);

	/* Pages that the mapping allows and a guard forbids. */
	page = map_at(at, 3, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	must("madvise", sys(__NR_madvise, page + PAGE, PAGE, MADV_GUARD));
	see("guard", "load", load(page + PAGE));
	see("guard", "store", store(page + PAGE + 5));
	expect("beside guard", "store", store(page + 2 * PAGE), 0, NULL);
	unmap(page, 3);

	/* Beyond the end of a file. */
	fd = file(1);
	page = map_at(at, 2, PROT_READ, MAP_SHARED, fd);
	see("beyond the file", "load", load(page + PAGE));
	expect("beyond the file", "store", store(page + PAGE), ACCERR, page + PAGE);
	unmap(page, 2);
	sys(__NR_close, fd);

	/* A stack that grows down. */
	page = map_at(at, 1, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN, -1);
	expect("stack", "store", store(page), 0, NULL);
	expect("stack grown", "store", store(page - 3 * PAGE), 0, NULL);
	expect("stack grown", "load", load(page - 7 * PAGE + 8), 0, NULL);
	protect(page - 7 * PAGE, 8, PROT_READ);
	expect("stack, read-only", "store", store(page - 2 * PAGE), ACCERR, page - 2 * PAGE);
	unmap(page - 7 * PAGE, 8);

	/* Pages freed with madvise() and touched again. */
	page = map_at(at, 1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	*(long *)page = 1;
	must("madvise", sys(__NR_madvise, page, PAGE, MADV_DONTNEED));
	expect("given back", "load", load(page), 0, NULL);
	printf("given back: %ld\n", *(long *)page);
	*(long *)page = 2;
	must("madvise", sys(__NR_madvise, page, PAGE, MADV_FREE));
	must("madvise", sys(__NR_madvise, page, PAGE, MADV_PAGEOUT));
	expect("reclaimed", "store", store(page + 8), 0, NULL);
	protect(page, 1, PROT_READ);
	expect("reclaimed, read-only", "store", store(page + 8), ACCERR, page + 8);
	unmap(page, 1);
}

/* Pages that another thread provides on demand. */
static int uffd;
static int provided;

static void provide(void *source)
{
	struct uffd_msg msg;
	struct uffdio_copy copy = { .src = (long)source, .len = PAGE };

	while (sys(__NR_read, uffd, &msg, sizeof(msg)) == sizeof(msg)) {
		if (msg.event != UFFD_EVENT_PAGEFAULT)
			return;
		copy.dst = msg.arg.pagefault.address & -PAGE;
		must("UFFDIO_COPY", sys(__NR_ioctl, uffd, UFFDIO_COPY, &copy));
		if (++provided == 2)
			return;
	}
}

static void on_demand(unsigned long at)
{
	void *page = map_at(at, 2, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	void *source = map_at(0, 1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = {
		.range = { at, 2 * PAGE }, .mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	struct thread thread;

	*(long *)source = 0x1234;
	uffd = must("userfaultfd", sys(__NR_userfaultfd, UFFD_USER_MODE_ONLY));
	must("UFFDIO_API", sys(__NR_ioctl, uffd, UFFDIO_API, &api));
	must("UFFDIO_REGISTER", sys(__NR_ioctl, uffd, UFFDIO_REGISTER, &reg));
	protect(page + PAGE, 1, PROT_READ);
	expect("userfaultfd, forbidden", "store", store(page + PAGE), ACCERR, page + PAGE);
	thread_start(&thread, provide, source);
	expect("userfaultfd", "load", load(page), 0, NULL);
	expect("userfaultfd", "store", store(page + 64), 0, NULL);
	expect("userfaultfd, second page", "load", load(page + PAGE), 0, NULL);
	thread_join(&thread);
	printf("userfaultfd: %lx %lx, %d provided\n", *(long *)page, *(long *)(page + PAGE),
	       provided);
	sys(__NR_close, uffd);
	unmap(page, 2);
	unmap(source, 1);
}

/* A child's fault, as its tracer sees it. */
static void by_a_tracer(const char *what, unsigned long at, int prot, int kind)
{
	siginfo_t info;
	int status;
	int pid = must("clone", sys(__NR_clone, SIGCHLD, 0));

	if (!pid) {
		void *page = map_at(at, 1, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1);
		struct seen s;

		sys(__NR_ptrace, PTRACE_TRACEME, 0, 0, 0);
		s = kind == 0 ? load(page + 3) :
		    kind == 1 ? store(page + 5) :
		    kind == 2 ? jump(page + 6) : store(page + 3 * PAGE);
		sys(__NR_exit_group, (int)s.count);
	}
	must("wait4", sys(__NR_wait4, pid, &status, 0, 0));
	must("ptrace", sys(__NR_ptrace, PTRACE_GETSIGINFO, pid, 0, &info));
	printf("traced %s: status %x signal %d code %d addr %lx\n", what, status, info.si_signo,
	       info.si_code, (long)info.si_addr);
	must("ptrace", sys(__NR_ptrace, PTRACE_CONT, pid, 0, SIGSEGV));
	must("wait4", sys(__NR_wait4, pid, &status, 0, 0));
	printf("traced %s: ended with %x\n", what, status);
}

/* The same accesses in several threads at once; printed in the order of the threads. */
struct table {
	unsigned long at;
	struct seen s[6];
};

static void in_a_thread(void *arg)
{
	struct table *t = arg;
	void *page = map_at(t->at, 2, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1);

	for (int i = 0; i < 200; i++) {
		t->s[0] = store(page);
		t->s[1] = amo(page + PAGE);
		t->s[2] = jump(page + 2);
		t->s[3] = load(page + 2);
		t->s[4] = load(page + 2 * PAGE);
		protect(page, 2, i & 1 ? PROT_READ : PROT_NONE);
		t->s[5] = load(page + 8);
		protect(page, 2, PROT_READ);
		if (!is(t->s[0], ACCERR, t->at) || !is(t->s[1], ACCERR, t->at + PAGE) ||
		    !is(t->s[2], ACCERR, t->at + 2) || !is(t->s[3], 0, 0) ||
		    !is(t->s[4], MAPERR, t->at + 2 * PAGE) ||
		    !is(t->s[5], i & 1 ? 0 : ACCERR, t->at + 8))
			__atomic_add_fetch(&failures, 1, __ATOMIC_RELAXED);
	}
	unmap(page, 2);
}

static void in_threads(int threads)
{
	static struct table tables[MAX_THREADS];
	static struct thread t[MAX_THREADS];
	char where[32];

	for (int i = 0; i < threads; i++) {
		tables[i].at = AT + i * 16 * PAGE;
		thread_start(&t[i], in_a_thread, &tables[i]);
	}
	for (int i = 0; i < threads; i++) {
		thread_join(&t[i]);
		snprintf(where, sizeof(where), "thread %d of %d", i, threads);
		for (int j = 0; j < 6; j++)
			see(where, "last", tables[i].s[j]);
	}
}

static void table(void)
{
	int fd = file(1);

	permissions("anonymous", AT, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	permissions("anonymous shared", AT, MAP_SHARED | MAP_ANONYMOUS, -1);
	permissions("file", AT, MAP_PRIVATE, fd);
	permissions("file shared", AT, MAP_SHARED, fd);
	boundaries(AT);
	elsewhere(AT + 64 * PAGE);
	on_demand(AT);
	by_a_tracer("load", AT, PROT_NONE, 0);
	by_a_tracer("store", AT, PROT_READ, 1);
	by_a_tracer("fetch", AT, PROT_READ, 2);
	by_a_tracer("hole", AT, PROT_READ, 3);
	in_threads(1);
	in_threads(8);
}

static void causes(void)
{
	int fd = file(1);

	permissions("anonymous", AT, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	permissions("file", AT, MAP_PRIVATE, fd);
	boundaries(AT);
}

/* Protect, fault, unprotect in the handler, retry. */
struct collector {
	unsigned long at;
	long times, lost, more, wrong;
};

static void collect(void *arg)
{
	struct collector *c = arg;
	unsigned long *page = map_at(c->at, 1, PROT_READ | PROT_WRITE,
				     MAP_PRIVATE | MAP_ANONYMOUS, -1);

	for (long i = 0; i < c->times; i++) {
		struct seen s;

		*page = 0;
		protect(page, 1, i & 1 ? PROT_READ : PROT_NONE);
		s = store_open(page);
		if (!s.count)
			c->lost++;
		else if (s.count > 1)
			c->more++;
		else if (!is(s, ACCERR, c->at))
			c->wrong++;
		if (*page != c->at)
			c->wrong++;
	}
	unmap(page, 1);
}

static void collectors(long times, int threads)
{
	static struct collector c[MAX_THREADS];
	static struct thread t[MAX_THREADS];
	struct collector sum = {};

	for (int i = 0; i < threads; i++) {
		c[i] = (struct collector){ .at = AT + i * 16 * PAGE, .times = times / threads };
		thread_start(&t[i], collect, &c[i]);
	}
	for (int i = 0; i < threads; i++) {
		thread_join(&t[i]);
		sum.times += c[i].times;
		sum.lost += c[i].lost;
		sum.more += c[i].more;
		sum.wrong += c[i].wrong;
	}
	failures += sum.lost + sum.more + sum.wrong;
	printf("gc: %ld times in %d threads, %ld lost, %ld more than once, %ld wrong\n", sum.times,
	       threads, sum.lost, sum.more, sum.wrong);
}

/* Faults while the mapping changes: no signal, or one, with either of the two codes. */
static int over;

static void fault_on(void *arg)
{
	struct collector *c = arg;
	const void *page = (void *)c->at;

	while (!__atomic_load_n(&over, __ATOMIC_RELAXED)) {
		struct seen s = c->times & 1 ? store(page + 8) : load(page + 8);

		c->times++;
		if (s.count && !is(s, ACCERR, c->at + 8) && !is(s, MAPERR, c->at + 8))
			c->wrong++;
		s = jump(page + 8);
		if (!is(s, ACCERR, c->at + 8) && !is(s, MAPERR, c->at + 8))
			c->wrong++;
	}
}

static void races(long times, int threads)
{
	static struct collector c[MAX_THREADS];
	static struct thread t[MAX_THREADS];
	const int prot[] = { PROT_NONE, PROT_READ, PROT_READ | PROT_WRITE };
	long wrong = 0, idle = 0;

	for (int i = 0; i < threads; i++) {
		c[i].at = AT;
		thread_start(&t[i], fault_on, &c[i]);
	}
	for (long i = 0; i < times; i++) {
		void *page = map_at(AT, 2, prot[i % 3], MAP_PRIVATE | MAP_ANONYMOUS, -1);

		for (int j = 0; j < 6; j++)
			protect(page, 1, prot[j % 3]);
		if (i % 16 == 0) {
			int status, pid = must("clone", sys(__NR_clone, SIGCHLD, 0));

			if (!pid) {
				protect(page, 1, PROT_READ);
				wrong = !is(store(page), ACCERR, AT) || !is(load(page), 0, 0);
				sys(__NR_exit_group, (int)wrong);
			}
			must("wait4", sys(__NR_wait4, pid, &status, 0, 0));
			wrong += status != 0;
		}
		unmap(page, 2);
	}
	__atomic_store_n(&over, 1, __ATOMIC_RELAXED);
	for (int i = 0; i < threads; i++) {
		thread_join(&t[i]);
		wrong += c[i].wrong;
		idle += !c[i].times;
	}
	failures += wrong + idle;
	printf("race: %d threads, %ld idle, %ld wrong\n", threads, idle, wrong);
}

int main(int argc, char **argv)
{
	catch_faults();
	if (argc == 2 && !strcmp(argv[1], "table"))
		table();
	else if (argc == 2 && !strcmp(argv[1], "causes"))
		causes();
	else if (argc == 4 && !strcmp(argv[1], "gc"))
		collectors(atol(argv[2]), atoi(argv[3]));
	else if (argc == 4 && !strcmp(argv[1], "race"))
		races(atol(argv[2]), atoi(argv[3]));
	else
		die("usage: faults table|causes, or gc|race TIMES THREADS", argc);
	printf("done, %d failures\n", failures);
	return failures ? 1 : 0;
}
