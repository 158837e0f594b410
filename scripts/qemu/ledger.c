// SPDX-License-Identifier: GPL-2.0
/*
 * A QEMU plugin (-plugin) that counts the cost of an operation in the guest on
 * all harts: fence.i and sfence.vma in the kernel and in the firmware, edits of
 * kernel page tables, and calls of kernel functions. It counts executed
 * instructions, so it is exact, and treats C and Rust in the same way.
 *
 *	-plugin file=ledger.so,out=FILE,function=NAME:ADDRESS[,function=...]
 *
 * The guest controls it by instructions that have no other effect:
 *
 *	slti x0, x0, 0x5b0	an operation begins
 *	slti x0, x0, 0x5b1	it has ended: FILE gets a line "NAME=NUMBER ..."
 *	ld x0, 0x7f8(rs)	the page at rs is a page table: count stores to it
 *
 * Compile with -DAPI=N for version N of QEMU's plugin interface. The interface is
 * declared here, since distributions do not package the header. It is described
 * in QEMU's docs/devel/tcg-plugins.rst.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef uint64_t qemu_plugin_id_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;

typedef struct {
	const char *target_name;
	struct {
		int min;
		int cur;
	} version;
	bool system_emulation;
	struct {
		int smp_vcpus;
		int max_vcpus;
	} system;
} qemu_info_t;

void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id,
	void (*cb)(qemu_plugin_id_t id, struct qemu_plugin_tb *tb));
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t n);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *insn);
/* Before version 3, it takes only insn, and returns a pointer to the bytes. */
size_t qemu_plugin_insn_data(const struct qemu_plugin_insn *insn, void *dest, size_t len);
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *insn,
	void (*cb)(unsigned int vcpu, void *data), int flags, void *data);
void qemu_plugin_register_vcpu_mem_cb(struct qemu_plugin_insn *insn,
	void (*cb)(unsigned int vcpu, uint32_t info, uint64_t vaddr, void *data),
	int flags, int rw, void *data);

#define EXPORT __attribute__((visibility("default")))
EXPORT int qemu_plugin_version = API;

enum { READ = 1, WRITE = 2 };

/* The firmware's memory on QEMU's "virt" machine. It runs without translation. */
#define FIRMWARE 0x80000000ULL
#define FIRMWARE_END 0x80200000ULL
/* The lowest kernel address. */
#define KERNEL (1ULL << 63)

#define MAX_HARTS 512
#define MAX_COUNTERS 64

enum {
	KERNEL_FENCE_I, FIRMWARE_FENCE_I, KERNEL_SFENCE_VMA, FIRMWARE_SFENCE_VMA, TABLE_STORES,
	FUNCTIONS
};

static const char *names[MAX_COUNTERS] = {
	"kernel-fence.i", "firmware-fence.i", "kernel-sfence.vma", "firmware-sfence.vma",
	"table-stores",
};
static uint64_t addresses[MAX_COUNTERS];
static unsigned int counters = FUNCTIONS;

/* Each hart's thread writes only its own row, so no atomics are needed. */
static volatile uint64_t counts[MAX_HARTS][MAX_COUNTERS];
static uint64_t at_begin[MAX_COUNTERS];
static FILE *out;
static int api;

/* The pages that are page tables, in a hash table that only grows. 0 is an empty bucket. */
#define BUCKETS (1U << 16)
static volatile uint64_t tables[BUCKETS];

static unsigned int bucket_of(uint64_t page)
{
	unsigned int n = (page >> 12) * 0x9e3779b97f4a7c15ULL >> 48;

	while (tables[n] && tables[n] != page)
		n = (n + 1) % BUCKETS;
	return n;
}

static uint64_t total(unsigned int counter)
{
	uint64_t sum = 0;

	for (unsigned int n = 0; n < MAX_HARTS; n++)
		sum += counts[n][counter];
	return sum;
}

static void count(unsigned int vcpu, void *counter)
{
	counts[vcpu % MAX_HARTS][(uintptr_t)counter]++;
}

static void begin(unsigned int vcpu, void *data)
{
	(void)vcpu;
	(void)data;
	for (unsigned int n = 0; n < counters; n++)
		at_begin[n] = total(n);
}

static void end(unsigned int vcpu, void *data)
{
	(void)vcpu;
	(void)data;
	for (unsigned int n = 0; n < counters; n++)
		fprintf(out, "%s%s=%" PRIu64, n ? " " : "", names[n], total(n) - at_begin[n]);
	fputc('\n', out);
	fflush(out);
}

static void is_table(unsigned int vcpu, uint32_t info, uint64_t vaddr, void *data)
{
	uint64_t page = vaddr & ~0xfffULL;

	(void)vcpu;
	(void)info;
	(void)data;
	tables[bucket_of(page)] = page;
}

static void stored(unsigned int vcpu, uint32_t info, uint64_t vaddr, void *data)
{
	(void)info;
	if (tables[bucket_of(vaddr & ~0xfffULL)])
		count(vcpu, data);
}

static uint32_t bits(const struct qemu_plugin_insn *insn)
{
	uint32_t word = 0;

	if (api >= 3) {
		qemu_plugin_insn_data(insn, &word, sizeof(word));
	} else {
		const void *(*data)(const struct qemu_plugin_insn *insn) = (void *)qemu_plugin_insn_data;
		const uint16_t *half = data(insn);

		word = half[0];
		if ((word & 3) == 3)
			word |= (uint32_t)half[1] << 16;
	}
	return (word & 3) == 3 ? word : word & 0xffff;
}

/* sd, c.sd, sc.d and 8-byte AMOs; not c.sdsp, since page tables are not on the stack. */
static bool stores_8_bytes(uint32_t insn)
{
	if ((insn & 3) != 3)
		return (insn & 0xe003) == 0xe000;
	if ((insn & 0x707f) == 0x302f)
		return insn >> 27 != 2;
	return (insn & 0x707f) == 0x3023;
}

static void translate_kernel(struct qemu_plugin_insn *insn, uint64_t pc, uint32_t word)
{
	for (unsigned int n = FUNCTIONS; n < counters; n++) {
		if (addresses[n] == pc)
			qemu_plugin_register_vcpu_insn_exec_cb(insn, count, 0, (void *)(uintptr_t)n);
	}
	if ((word & 0xfff07fff) == 0x7f803003)
		qemu_plugin_register_vcpu_mem_cb(insn, is_table, 0, READ, NULL);
	else if (stores_8_bytes(word))
		qemu_plugin_register_vcpu_mem_cb(insn, stored, 0, WRITE,
						 (void *)(uintptr_t)TABLE_STORES);
}

static void translate(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	size_t insns = qemu_plugin_tb_n_insns(tb);

	(void)id;
	for (size_t n = 0; n < insns; n++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, n);
		uint64_t pc = qemu_plugin_insn_vaddr(insn);
		uint32_t word = bits(insn);
		bool kernel = pc >= KERNEL, firmware = pc >= FIRMWARE && pc < FIRMWARE_END;
		uintptr_t counter = FUNCTIONS;

		if ((word & 0x707f) == 0x100f)
			counter = kernel ? KERNEL_FENCE_I : FIRMWARE_FENCE_I;
		/* sfence.vma, and sinval.vma of Svinval */
		else if ((word & 0xfe007fff) == 0x12000073 || (word & 0xfe007fff) == 0x16000073)
			counter = kernel ? KERNEL_SFENCE_VMA : FIRMWARE_SFENCE_VMA;
		if (counter != FUNCTIONS && (kernel || firmware))
			qemu_plugin_register_vcpu_insn_exec_cb(insn, count, 0, (void *)counter);
		if (kernel)
			translate_kernel(insn, pc, word);
		if (word == 0x5b002013)
			qemu_plugin_register_vcpu_insn_exec_cb(insn, begin, 0, NULL);
		else if (word == 0x5b102013)
			qemu_plugin_register_vcpu_insn_exec_cb(insn, end, 0, NULL);
	}
}

static bool add_function(char *what)
{
	char *colon = strrchr(what, ':');

	if (!colon || counters == MAX_COUNTERS)
		return false;
	*colon = '\0';
	names[counters] = strdup(what);
	addresses[counters] = strtoull(colon + 1, NULL, 0);
	return names[counters] && addresses[counters++];
}

EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc, char **argv)
{
	api = info->version.cur;
	for (int n = 0; n < argc; n++) {
		if (!strncmp(argv[n], "out=", 4)) {
			out = fopen(argv[n] + 4, "w");
		} else if (strncmp(argv[n], "function=", 9) || !add_function(argv[n] + 9)) {
			fprintf(stderr, "ledger: what is %s?\n", argv[n]);
			return -1;
		}
	}
	if (!out || !info->system_emulation || info->system.max_vcpus > MAX_HARTS) {
		fprintf(stderr, "ledger: no file to write to, or not such a machine\n");
		return -1;
	}
	qemu_plugin_register_vcpu_tb_trans_cb(id, translate);
	return 0;
}
