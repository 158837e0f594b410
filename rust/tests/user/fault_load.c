// SPDX-License-Identifier: GPL-2.0
/*
 * fault_load: a load of page faults, allowed and forbidden ones.
 *
 * usage: fault_load MILLISECONDS SEED
 *
 * Maps, touches and unmaps pages, and makes forbidden accesses: each must cause
 * one SIGSEGV with the right code and address. Prints the numbers of allowed and
 * forbidden accesses; the exit status is 0 if all had the right result.
 */

#include <asm/sigcontext.h>
#include <asm/ucontext.h>
#include <asm/unistd.h>
#include <linux/signal.h>

#define PAGE 4096
#define PAGES 16

/* The signals of the current access. The accesses are compiler barriers. */
static struct {
	int count, code;
	unsigned long addr;
} seen;

static void handler(int signal, siginfo_t *info, void *context)
{
	struct ucontext *interrupted = context;

	seen.count += signal == SIGSEGV;
	seen.code = info->si_code;
	seen.addr = (unsigned long)info->si_addr;
	/* Skip the access, which is 4 bytes long. */
	interrupted->uc_mcontext.sc_regs.pc += 4;
}

static void load(unsigned long addr)
{
	asm volatile(".option push\n.option norvc\nlb x0, 0(%0)\n.option pop" : : "r"(addr) :
		     "memory");
}

static void store(unsigned long addr)
{
	asm volatile(".option push\n.option norvc\nsb x0, 0(%0)\n.option pop" : : "r"(addr) :
		     "memory");
}

/* Make one access; return 0 if it caused a signal with @code, or none if @code is 0. */
static int try(void (*access)(unsigned long addr), unsigned long addr, int code)
{
	seen.count = 0;
	access(addr);
	if (seen.count == !!code && (!code || (seen.code == code && seen.addr == addr)))
		return 0;
	printf("access to %lx: %d signals, code %d of %d, address %lx\n", addr, seen.count,
	       seen.code, code, seen.addr);
	return 1;
}

static unsigned int random_state;

static unsigned int random_below(unsigned int limit)
{
	random_state = random_state * 1103515245 + 12345;
	return (random_state >> 8) % limit;
}

static unsigned long milliseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int main(int argc, char **argv)
{
	/* The kernel's struct sigaction, with an SA_SIGINFO handler. */
	struct {
		void (*handler)(int signal, siginfo_t *info, void *context);
		unsigned long flags, mask;
	} action = { handler, SA_SIGINFO, 0 };
	unsigned long end, allowed = 0, forbidden = 0;
	int wrong = 0;

	if (argc != 3) {
		fputs("usage: fault_load MILLISECONDS SEED\n", stdout);
		return 2;
	}
	end = milliseconds() + atoi(argv[1]);
	random_state = atoi(argv[2]);
	if (syscall(__NR_rt_sigaction, SIGSEGV, &action, NULL, sizeof(action.mask)))
		return 2;

	while (!wrong && milliseconds() < end) {
		char *map = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE,
				 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		unsigned long base = (unsigned long)map;

		/* Happens only with fault injection. */
		if (map == MAP_FAILED)
			continue;
		for (int i = 0; i < PAGES; i++) {
			wrong += try(random_below(2) ? load : store,
				     base + i * PAGE + random_below(PAGE), 0);
			allowed++;
		}
		/* Make the first half read-only, and unmap the last page. */
		if (!syscall(__NR_mprotect, base, PAGES / 2 * PAGE, PROT_READ)) {
			wrong += try(store, base + random_below(PAGES / 2 * PAGE), SEGV_ACCERR);
			wrong += try(load, base + random_below(PAGES / 2 * PAGE), 0);
			forbidden++;
		}
		if (!munmap(map + (PAGES - 1) * PAGE, PAGE)) {
			wrong += try(random_below(2) ? load : store,
				     base + (PAGES - 1) * PAGE, SEGV_MAPERR);
			forbidden++;
		}
		munmap(map, (PAGES - 1) * PAGE);
	}
	printf("allowed=%lu forbidden=%lu%s\n", allowed, forbidden, wrong ? " WRONG" : "");
	return wrong ? 1 : 0;
}
