/* SPDX-License-Identifier: GPL-2.0 */
/* The instructions that mark the begin and end of an operation for scripts/qemu/ledger.c. */
#ifndef RUST_RISCV_TESTS_LEDGER_H
#define RUST_RISCV_TESTS_LEDGER_H

/*
 * Waits until the shell that started this process waits. Before, the shell still writes
 * to pages that it shares with this process after fork(), so that the kernel flushes TLBs.
 */
static inline void ledger_wait_for_shell(void)
{
	char path[32], stat[128], *state;

	snprintf(path, sizeof(path), "/proc/%d/stat", getppid());
	do {
		int fd = open(path, O_RDONLY);
		ssize_t len = fd < 0 ? -1 : read(fd, stat, sizeof(stat) - 1);

		if (fd >= 0)
			close(fd);
		if (len < 0) {
			perror(path);
			exit(1);
		}
		stat[len] = '\0';
		/* "PID (NAME) STATE" */
		state = strrchr(stat, ')');
	} while (!state || state[1] != ' ' || state[2] != 'S');
}

static inline void ledger_begin(void)
{
	ledger_wait_for_shell();
	__asm__ volatile("slti x0, x0, 0x5b0" : : : "memory");
}

static inline void ledger_end(void)
{
	__asm__ volatile("slti x0, x0, 0x5b1" : : : "memory");
}

#endif
