// SPDX-License-Identifier: GPL-2.0
/*
 * Benchmarks of text patching, for "make bench". Reading a file in debugfs
 * patches text as users in the kernel do, and returns the time in nanoseconds.
 * The text is written by the provider if one is registered, else by C.
 */
#include <linux/debugfs.h>
#include <linux/jump_label.h>
#include <linux/ktime.h>
#include <linux/module.h>
#include <linux/seq_file.h>
#include <linux/string.h>
#include <linux/text-patching.h>

#include "rust_riscv/patch.h"
#include "bench_text.h"

#define NOP 0x00000013
#define LI_A5_1 0x00100793

static int patch_one(void *addr, u32 insn)
{
	int ret;

	patch_text_lock();
	ret = patch_text(addr, &insn, sizeof(insn));
	patch_text_unlock();
	return ret;
}

static int patch_to_and_fro(int times)
{
	int n, ret;

	for (n = 0; n < times; n++) {
		ret = patch_one(bench_aligned, n & 1 ? NOP : LI_A5_1);
		if (ret)
			return ret;
	}
	return 0;
}

/* The mean time of one edit, over two seconds, after QEMU has translated the code. */
static int single_edit_show(struct seq_file *m, void *unused)
{
	u64 begin = 0, passed = 0;
	int times = 0, ret;

	while (passed < 2 * NSEC_PER_SEC) {
		ret = patch_to_and_fro(2);
		if (ret)
			return ret;
		if (!begin) {
			begin = ktime_get_ns();
			continue;
		}
		times += 2;
		passed = ktime_get_ns() - begin;
		if (fatal_signal_pending(current))
			return -EINTR;
	}
	seq_printf(m, "%llu\n", passed / times);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(single_edit);

/* The mean time of 8 edits, for simulators, which are slow and whose times do not vary. */
static int few_edits_show(struct seq_file *m, void *unused)
{
	const int times = 8;
	u64 begin;
	int ret;

	ret = patch_to_and_fro(2);
	if (ret)
		return ret;
	begin = ktime_get_ns();
	ret = patch_to_and_fro(times);
	if (ret)
		return ret;
	seq_printf(m, "%llu\n", (ktime_get_ns() - begin) / times);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(few_edits);

/* The instruction that is there now, and the one that replaces it. They are swapped each time. */
static u32 stop_now = NOP, stop_next = LI_A5_1;

static int stop_one_by_one(void)
{
	int n, ret;

	for (n = 0; n < STOP_EDITS; n++) {
		ret = patch_one(bench_unaligned + 4 * n, stop_next);
		if (ret)
			return ret;
	}
	return 0;
}

static int stop_in_one_batch(typeof(rust_riscv_patch_begin) *begin)
{
	typeof(rust_riscv_patch_add) *add;
	typeof(rust_riscv_patch_commit) *commit;
	struct rust_riscv_batch *batch;
	int n, ret = -ENOENT;

	add = symbol_get(rust_riscv_patch_add);
	commit = symbol_get(rust_riscv_patch_commit);
	batch = begin();
	if (!add || !commit || !batch)
		goto put;
	for (n = 0; n < STOP_EDITS; n++) {
		ret = add(batch, bench_unaligned + 4 * n, &stop_now,
			  &stop_next, sizeof(u32), 0);
		if (ret)
			break;
	}
	/* Also if an edit could not be added, since this frees the batch. */
	ret = commit(batch) ?: ret;
put:
	if (add)
		symbol_put(rust_riscv_patch_add);
	if (commit)
		symbol_put(rust_riscv_patch_commit);
	return ret;
}

/* The time of STOP_EDITS edits: in one batch if rust_riscv_patch is loaded, else one by one. */
static int stop_window_show(struct seq_file *m, void *unused)
{
	typeof(rust_riscv_patch_begin) *batch;
	u64 begin = ktime_get_ns();
	int ret;

	batch = symbol_get(rust_riscv_patch_begin);
	if (batch) {
		ret = stop_in_one_batch(batch);
		symbol_put(rust_riscv_patch_begin);
	} else {
		ret = stop_one_by_one();
	}
	if (ret)
		return ret;
	swap(stop_now, stop_next);
	seq_printf(m, "%llu\n", ktime_get_ns() - begin);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(stop_window);

static DEFINE_STATIC_KEY_FALSE(bench_key);

#define SITE do { if (static_branch_unlikely(&bench_key)) count++; } while (0)
#define SITES_10 do { SITE; SITE; SITE; SITE; SITE; SITE; SITE; SITE; SITE; SITE; } while (0)
#define SITES_50 do { SITES_10; SITES_10; SITES_10; SITES_10; SITES_10; } while (0)
#define SITES_250 do { SITES_50; SITES_50; SITES_50; SITES_50; SITES_50; } while (0)

static noinline unsigned int count_sites(void)
{
	unsigned int count = 0;

	SITES_250;
	SITES_250;
	SITES_250;
	SITES_250;
	return count;
}

/* The mean time of changing a static key with 1000 sites. */
static int static_key_show(struct seq_file *m, void *unused)
{
	const int times = 4;
	u64 total = 0;
	int n;

	for (n = 0; n < times; n++) {
		u64 begin = ktime_get_ns();

		if (n & 1)
			static_branch_disable(&bench_key);
		else
			static_branch_enable(&bench_key);
		total += ktime_get_ns() - begin;
		if (count_sites() != (n & 1 ? 0 : 1000))
			return -EIO;
	}
	seq_printf(m, "%llu\n", total / times);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(static_key);

static struct dentry *folder;

static int __init bench_init(void)
{
	folder = debugfs_create_dir("rust_riscv_bench_patch", NULL);
	debugfs_create_file("single_edit", 0400, folder, NULL, &single_edit_fops);
	debugfs_create_file("few_edits", 0400, folder, NULL, &few_edits_fops);
	debugfs_create_file("stop_window", 0400, folder, NULL, &stop_window_fops);
	debugfs_create_file("static_key", 0400, folder, NULL, &static_key_fops);
	return 0;
}
module_init(bench_init);

static void __exit bench_exit(void)
{
	debugfs_remove(folder);
}
module_exit(bench_exit);

MODULE_DESCRIPTION("Measuring text patching");
MODULE_LICENSE("GPL");
