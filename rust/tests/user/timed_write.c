// SPDX-License-Identifier: GPL-2.0
/*
 * timed_write FILE TEXT: write TEXT and a newline to FILE, and print how many
 * nanoseconds the write took. timed_write FILE: the same of reading it.
 *
 * "make cycles" stops the machine at timed_mark, before and after. With "-p", it
 * takes the machine over from QEMU just before.
 */

#include "pause.h"
#include "timed_mark.h"

static long long now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

int main(int argc, char **argv)
{
	static char buffer[4096];
	long long begin, end;
	ssize_t done;
	size_t len;
	int fd, pause;

	pause = argc > 1 && !strcmp(argv[1], "-p");
	argc -= pause;
	argv += pause;
	if (argc < 2)
		return 2;
	fd = open(argv[1], argc > 2 ? O_WRONLY : O_RDONLY);
	if (fd < 0) {
		perror(argv[1]);
		return 1;
	}
	len = argc > 2 ? strlen(argv[2]) : 0;
	if (len >= sizeof(buffer))
		return 2;
	if (argc > 2) {
		memcpy(buffer, argv[2], len);
		buffer[len] = '\n';
	}
	if (pause)
		pause_here();
	timed_mark(BEGIN, 0);
	begin = now();
	if (argc > 2)
		done = write(fd, buffer, len + 1);
	else
		done = read(fd, buffer, sizeof(buffer));
	end = now();
	timed_mark(END, done);
	if (done <= 0) {
		perror(argv[1]);
		return 1;
	}
	printf("%lld\n", end - begin);
	return 0;
}
