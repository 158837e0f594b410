// SPDX-License-Identifier: GPL-2.0
/*
 * bpf_fentry: attach and detach fentry programs, and check that none misses a run.
 *
 * usage: bpf_fentry MILLISECONDS RUNNERS [alone] [late] [medium | long]
 *        bpf_fentry time TIMES
 *        bpf_fentry attach NUMBER
 *        bpf_fentry detach NUMBER
 *
 * A BPF program, the target, is run a known number of times. One fentry program
 * on it stays, another is attached and detached repeatedly. All three count: the
 * target and the first must have counted every run, and the second every run that
 * this process made while it was attached. bpf_arch_text_poke() patches the target's
 * entry for each change. Since the target is a BPF program with its own type
 * information, the kernel needs none (no CONFIG_DEBUG_INFO_BTF).
 *
 * "alone": the first is left out, so that each change writes the target's first
 * instruction. Otherwise a change only writes the trampoline that it jumps to.
 *
 * "late": with runners, the second may miss runs. QEMU may continue with a stale
 * translation, for which only Rust has a workaround (write_twice).
 *
 * "medium": the target is longer than 4 KiB, so that half of a jal from its entry
 * to its end jumps into it, and not to itself. "long": it is longer than 1 MiB, the
 * reach of a jal.
 *
 * RUNNERS processes run the target all the time. With 0, the target runs only
 * between the changes, and the second program's count is known exactly. Only this is
 * safe where the kernel replaces two instructions by stopping the machine (stock
 * kernels, and "long"): a runner could have been interrupted between them.
 *
 * Prints the counts; the exit status is 0 if they are right. With "time", attaches
 * and detaches one program after another, while nothing runs the target, and prints
 * how many nanoseconds each took on average. With "attach", attaches NUMBER programs,
 * each to a target of its own, as one operation of "make ledger"; with "detach",
 * detaching them is that operation.
 */

#include <asm/unistd.h>
#include <linux/bpf.h>
#include <linux/btf.h>

#include "ledger.h"

#define RUNS 100
/* Instructions that load 64 bits, as many as make more than 4 KiB, or 1 MiB, of code. */
#define SOME 1500
#define MANY 60000
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

enum { TARGET, ALWAYS, SOMETIMES, COUNTERS };

static const char * const names[] = { "target", "always", "sometimes" };

/* The types of "int target(void)". */
static const struct {
	struct btf_header header;
	struct {
		struct btf_type type;
		__u32 bits;
	} integer;
	struct btf_type prototype, function;
	char strings[12];
} types = {
	.header = {
		.magic = BTF_MAGIC,
		.version = BTF_VERSION,
		.hdr_len = sizeof(struct btf_header),
		.type_len = sizeof(types.integer) + 2 * sizeof(struct btf_type),
		.str_off = sizeof(types.integer) + 2 * sizeof(struct btf_type),
		.str_len = sizeof(types.strings),
	},
	.integer = {
		{ .name_off = 1, .info = BTF_KIND_INT << 24, .size = 4 },
		BTF_INT_SIGNED << 24 | 32,
	},
	.prototype = { .info = BTF_KIND_FUNC_PROTO << 24, .type = 1 },
	.function = { .name_off = 5, .info = BTF_KIND_FUNC << 24, .type = 2 },
	.strings = "\0int\0target",
};

#define FUNCTION_TYPE 3

struct shared {
	bool stop;
	/* The number of runs of each runner, or its negative errno. */
	long runs[];
};

static long bpf(int command, union bpf_attr *attr)
{
	/* Try again if an allocation failed: faults may be injected. */
	while (true) {
		long result = syscall(__NR_bpf, command, attr, sizeof(*attr));

		if (result >= 0 || (errno != ENOMEM && errno != EAGAIN))
			return result;
	}
}

static void fail(const char *what)
{
	printf("%s: errno %d\n", what, errno);
	exit(1);
}

static long checked(const char *what, long result)
{
	if (result < 0)
		fail(what);
	return result;
}

static __u64 nanoseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ULL + now.tv_nsec;
}

static __u64 milliseconds(void)
{
	return nanoseconds() / 1000000;
}

static int new_map(void)
{
	union bpf_attr attr = {
		.map_type = BPF_MAP_TYPE_ARRAY,
		.key_size = sizeof(__u32),
		.value_size = COUNTERS * sizeof(__u64),
		.max_entries = 1,
	};

	return checked("map", bpf(BPF_MAP_CREATE, &attr));
}

static __u64 counter(int map, int which)
{
	__u64 values[COUNTERS];
	__u32 key = 0;
	union bpf_attr attr = {
		.map_fd = map,
		.key = (unsigned long)&key,
		.value = (unsigned long)values,
	};

	checked("reading the map", bpf(BPF_MAP_LOOKUP_ELEM, &attr));
	return values[which];
}

/* A program that adds 1 to a counter, an fentry program unless it is the target. */
static int load(int map, int which, int target, int padding)
{
	static struct bpf_insn program[2 * MANY + 6];
	static char log[4096];
	const struct bpf_insn first[] = {
		{ .code = BPF_LD | BPF_IMM | BPF_DW, .dst_reg = BPF_REG_1,
		  .src_reg = BPF_PSEUDO_MAP_VALUE, .imm = map },
		{ .imm = which * sizeof(__u64) },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_2, .imm = 1 },
		{ .code = BPF_STX | BPF_ATOMIC | BPF_DW, .dst_reg = BPF_REG_1,
		  .src_reg = BPF_REG_2, .imm = BPF_ADD },
	};
	const struct bpf_insn last[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 0 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	struct bpf_insn *end = program;
	const struct bpf_func_info function = { .type_id = FUNCTION_TYPE };
	union bpf_attr attr = {
		.insns = (unsigned long)program,
		.license = (unsigned long)"GPL",
		/* A log that does not fit is an error, and each instruction is in it. */
		.log_buf = padding ? 0 : (unsigned long)log,
		.log_size = padding ? 0 : sizeof(log),
		.log_level = !padding,
	};
	long fd;

	memcpy(end, first, sizeof(first));
	end += ARRAY_SIZE(first);
	for (int i = 0; i < padding; i++) {
		*end++ = (struct bpf_insn){ .code = BPF_LD | BPF_IMM | BPF_DW, .imm = 0x12345678 };
		*end++ = (struct bpf_insn){ .imm = 0x12345678 };
	}
	memcpy(end, last, sizeof(last));
	end += ARRAY_SIZE(last);
	attr.insn_cnt = end - program;

	if (which == TARGET) {
		union bpf_attr btf = {
			.btf = (unsigned long)&types,
			.btf_size = sizeof(types),
		};

		attr.prog_type = BPF_PROG_TYPE_SOCKET_FILTER;
		attr.prog_btf_fd = checked("types", bpf(BPF_BTF_LOAD, &btf));
		attr.func_info = (unsigned long)&function;
		attr.func_info_rec_size = sizeof(function);
		attr.func_info_cnt = 1;
	} else {
		attr.prog_type = BPF_PROG_TYPE_TRACING;
		attr.expected_attach_type = BPF_TRACE_FENTRY;
		attr.attach_prog_fd = target;
		attr.attach_btf_id = FUNCTION_TYPE;
	}
	memcpy(attr.prog_name, names[which], strlen(names[which]));
	fd = bpf(BPF_PROG_LOAD, &attr);
	if (fd < 0) {
		printf("%s: errno %d\n%s", names[which], errno, log);
		exit(1);
	}
	if (which == TARGET)
		close(attr.prog_btf_fd);
	return fd;
}

static int attach(int program)
{
	union bpf_attr attr = { .raw_tracepoint = { .prog_fd = program } };

	return checked("attach", bpf(BPF_RAW_TRACEPOINT_OPEN, &attr));
}

static long run(int target)
{
	char packet[64] = "";
	union bpf_attr attr = {
		.test = {
			.prog_fd = target,
			.data_size_in = sizeof(packet),
			.data_in = (unsigned long)packet,
			.repeat = RUNS,
		},
	};

	return bpf(BPF_PROG_TEST_RUN, &attr) < 0 ? -errno : RUNS;
}

/* The runs that a program missed, since they interrupted another run of it. */
static __u64 recursions(int program)
{
	struct bpf_prog_info info = { 0 };
	union bpf_attr attr = {
		.info = {
			.bpf_fd = program,
			.info_len = sizeof(info),
			.info = (unsigned long)&info,
		},
	};

	checked("information", bpf(BPF_OBJ_GET_INFO_BY_FD, &attr));
	return info.recursion_misses;
}

static void runner(int target, struct shared *shared, int number)
{
	while (!__atomic_load_n(&shared->stop, __ATOMIC_RELAXED)) {
		long runs = run(target);

		if (runs < 0) {
			shared->runs[number] = runs;
			exit(1);
		}
		shared->runs[number] += runs;
	}
	exit(0);
}

static int measure(int times)
{
	int map = new_map(), target = load(map, TARGET, -1, 0);
	__u64 attached = 0, detached = 0;

	for (int i = 0; i < times; i++) {
		/* A program can be attached only once. */
		int program = load(map, ALWAYS, target, 0), link;
		__u64 start = nanoseconds(), middle;

		link = attach(program);
		middle = nanoseconds();
		close(link);
		attached += middle - start;
		detached += nanoseconds() - middle;
		close(program);
	}
	printf("%llu %llu\n", (unsigned long long)attached / times,
	       (unsigned long long)detached / times);
	return 0;
}

static int counted(int number, bool attaching)
{
	static int programs[128], links[128];
	int map = new_map();

	if (number > (int)ARRAY_SIZE(programs))
		return 2;
	for (int i = 0; i < number; i++)
		programs[i] = load(map, ALWAYS, load(map, TARGET, -1, 0), 0);
	if (attaching)
		ledger_begin();
	for (int i = 0; i < number; i++)
		links[i] = attach(programs[i]);
	if (attaching)
		ledger_end();
	else
		ledger_begin();
	for (int i = 0; i < number; i++)
		close(links[i]);
	if (!attaching)
		ledger_end();
	return 0;
}

int main(int argc, char **argv)
{
	int runners = argc >= 3 ? atoi(argv[2]) : -1, padding = 0;
	__u64 end, runs = 0, ran, always, sometimes, expected = 0, missed = 0;
	int map, target, first = -1, link = -1, changes = 0, wrong = 0;
	bool alone = false, late = false, usage = false;
	struct shared *shared;
	pid_t children[64];

	if (argc == 3 && !strcmp(argv[1], "time") && runners > 0)
		return measure(runners);
	if (argc == 3 && !strcmp(argv[1], "attach") && runners > 0)
		return counted(runners, true);
	if (argc == 3 && !strcmp(argv[1], "detach") && runners > 0)
		return counted(runners, false);
	for (int i = 3; i < argc; i++) {
		if (!strcmp(argv[i], "alone"))
			alone = true;
		else if (!strcmp(argv[i], "late"))
			late = true;
		else if (!strcmp(argv[i], "medium"))
			padding = SOME;
		else if (!strcmp(argv[i], "long"))
			padding = MANY;
		else
			usage = true;
	}
	if (runners < 0 || runners > 64 || usage) {
		fputs("usage: bpf_fentry MILLISECONDS RUNNERS [alone] [late] [medium | long]\n",
		      stdout);
		fputs("       bpf_fentry time TIMES | attach NUMBER | detach NUMBER\n", stdout);
		return 2;
	}
	end = milliseconds() + atoi(argv[1]);
	shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		fail("mmap");

	map = new_map();
	target = load(map, TARGET, -1, padding);
	if (!alone) {
		first = load(map, ALWAYS, target, 0);
		link = attach(first);
	}

	for (int i = 0; i < runners; i++) {
		children[i] = fork();
		if (children[i] == 0)
			runner(target, shared, i);
		checked("fork", children[i]);
	}

	do {
		int second = load(map, SOMETIMES, target, 0);
		int second_link = attach(second);

		runs += checked("run", run(target));
		expected += RUNS;
		close(second_link);
		missed += recursions(second);
		close(second);
		runs += checked("run", run(target));
		changes += 2;
	} while (milliseconds() < end);

	__atomic_store_n(&shared->stop, true, __ATOMIC_RELAXED);
	for (int i = 0; i < runners; i++) {
		int status;

		waitpid(children[i], &status, 0);
		if (status) {
			errno = -shared->runs[i];
			fail("a runner");
		}
		runs += shared->runs[i];
	}

	ran = counter(map, TARGET);
	always = counter(map, ALWAYS) + (alone ? 0 : recursions(first));
	sometimes = counter(map, SOMETIMES) + missed;
	wrong += ran != runs;
	wrong += always != (alone ? 0 : runs);
	wrong += sometimes < expected && !(late && runners);
	wrong += sometimes > (runners ? runs : expected);
	if (!alone)
		close(link);
	printf("changes=%d runs=%llu target=%llu always=%llu sometimes=%llu%s\n", changes,
	       (unsigned long long)runs, (unsigned long long)ran,
	       (unsigned long long)always, (unsigned long long)sometimes,
	       wrong ? " WRONG" : "");
	return wrong ? 1 : 0;
}
