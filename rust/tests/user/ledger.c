// SPDX-License-Identifier: GPL-2.0
/*
 * ledger: performs an operation of the kernel between two instructions at which QEMU's
 * plugin begins and ends counting (scripts/qemu/ledger.c). Elsewhere they are no-ops.
 *
 * usage: ledger write FILE TEXT
 *        ledger insmod FILE [PARAMETERS]
 *        ledger rmmod MODULE
 */

#include <asm/unistd.h>

#include "ledger.h"

static long operation(int fd, char **argv, const char *text)
{
	if (!strcmp(argv[1], "write"))
		return syscall(__NR_write, fd, text, strlen(text));
	if (!strcmp(argv[1], "insmod"))
		return syscall(__NR_finit_module, fd, text, 0);
	return syscall(__NR_delete_module, argv[2], 0);
}

int main(int argc, char **argv)
{
	bool to_file = argc == 4 && !strcmp(argv[1], "write");
	bool insmod = (argc == 3 || argc == 4) && !strcmp(argv[1], "insmod");
	static char text[256];
	int fd = -1;
	long result;

	if (!to_file && !insmod && !(argc == 3 && !strcmp(argv[1], "rmmod"))) {
		fputs("usage: ledger write FILE TEXT | insmod FILE [PARAMETERS] | rmmod MODULE\n",
		      stdout);
		return 2;
	}
	if (argc == 4)
		snprintf(text, sizeof(text), to_file ? "%s\n" : "%s", argv[3]);
	if (to_file || insmod) {
		fd = open(argv[2], to_file ? O_WRONLY : O_RDONLY);
		if (fd < 0) {
			perror(argv[2]);
			return 1;
		}
	}
	ledger_begin();
	result = operation(fd, argv, text);
	ledger_end();
	if (result < 0) {
		perror(argv[2]);
		return 1;
	}
	return 0;
}
