// SPDX-License-Identifier: GPL-2.0
/*
 * The time that a page fault takes, for benchmarks.
 *
 * "bad_access bad TIMES THREADS [lock]" makes THREADS threads store to read-only
 * pages TIMES times each; with "lock", while another thread holds mmap_lock for
 * writing in a loop. "bad_access minor TIMES" touches fresh anonymous pages,
 * "bad_access zero TIMES" reads from them (the zero page), "bad_access file TIMES"
 * writes to a file in memory: all these accesses are allowed. "bad_access empty
 * TIMES" does the same without accesses, to measure the overhead.
 *
 * Prints the nanoseconds and the number of faults.
 */
#include <linux/memfd.h>

#include "user.h"

#define PAGES	256UL

static long times;
static int ready, go, over;

struct job {
	struct thread thread;
	void *page;
	long faults;
};

static void bad(void *arg)
{
	struct job *job = arg;

	job->page = map_at(0, 1, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	job->faults += store(job->page).count;
	job->faults = 0;
	__atomic_add_fetch(&ready, 1, __ATOMIC_ACQ_REL);
	while (!__atomic_load_n(&go, __ATOMIC_ACQUIRE))
		sys(__NR_sched_yield);
	for (long i = 0; i < times; i++)
		job->faults += store(job->page).count;
}

/*
 * Changes the permissions of many pages in a loop: each time under mmap_lock.
 * There is a page without permissions on both sides, or the VMA could be merged
 * with that of a page that is faulted on, which would then be locked, too.
 */
static void lock(void *arg)
{
	char *area = map_at(0, PAGES + 2, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1);

	(void)arg;
	area += PAGE;
	protect(area, PAGES, PROT_READ | PROT_WRITE);
	memset(area, 1, PAGES * PAGE);
	__atomic_add_fetch(&ready, 1, __ATOMIC_ACQ_REL);
	for (long i = 0; !__atomic_load_n(&over, __ATOMIC_RELAXED); i++)
		protect(area, PAGES, i & 1 ? PROT_READ : PROT_READ | PROT_WRITE);
}

static void forbidden(int threads, bool locked)
{
	static struct job jobs[MAX_THREADS];
	struct thread locker;
	unsigned long start;
	long faults = 0;

	for (int i = 0; i < threads; i++)
		thread_start(&jobs[i].thread, bad, &jobs[i]);
	if (locked)
		thread_start(&locker, lock, NULL);
	while (__atomic_load_n(&ready, __ATOMIC_ACQUIRE) < threads + locked)
		sys(__NR_sched_yield);
	start = nanoseconds();
	__atomic_store_n(&go, 1, __ATOMIC_RELEASE);
	for (int i = 0; i < threads; i++) {
		thread_join(&jobs[i].thread);
		faults += jobs[i].faults;
	}
	printf("%lu %ld\n", nanoseconds() - start, faults);
	__atomic_store_n(&over, 1, __ATOMIC_RELAXED);
	if (locked)
		thread_join(&locker);
}

/* Rounds of touching PAGES pages, which are freed before each round. */
static void allowed(int fd, bool write, bool touch)
{
	char *area = map_at(0, PAGES, PROT_READ | PROT_WRITE,
			    fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED, fd);
	unsigned long elapsed = 0, faults = 0;

	/* Fails on kernels without huge pages, which is fine. */
	sys(__NR_madvise, area, PAGES * PAGE, MADV_NOHUGEPAGE);
	while (times > 0) {
		unsigned long start;

		must("madvise", sys(__NR_madvise, area, PAGES * PAGE, MADV_DONTNEED));
		start = nanoseconds();
		for (unsigned long i = 0; touch && i < PAGES; i++) {
			if (write)
				store(area + i * PAGE);
			else
				load(area + i * PAGE);
		}
		elapsed += nanoseconds() - start;
		faults += PAGES;
		times -= PAGES;
	}
	printf("%lu %lu\n", elapsed, faults);
}

static int file(void)
{
	int fd = must("memfd_create", sys(__NR_memfd_create, "bad_access", MFD_CLOEXEC));
	char *area;

	must("ftruncate", sys(__NR_ftruncate, fd, PAGES * PAGE));
	area = map_at(0, PAGES, PROT_READ | PROT_WRITE, MAP_SHARED, fd);
	memset(area, 1, PAGES * PAGE);
	unmap(area, PAGES);
	return fd;
}

int main(int argc, char **argv)
{
	catch_faults();
	if (argc < 3)
		die("usage: bad_access bad|minor|zero|file|empty TIMES [THREADS [lock]]", argc);
	times = atol(argv[2]);
	if (!strcmp(argv[1], "bad"))
		forbidden(argc > 3 ? atoi(argv[3]) : 1, argc > 4);
	else if (!strcmp(argv[1], "file"))
		allowed(file(), true, true);
	else
		allowed(-1, !strcmp(argv[1], "minor"), strcmp(argv[1], "empty"));
	return 0;
}
