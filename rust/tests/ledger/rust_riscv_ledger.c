// SPDX-License-Identifier: GPL-2.0
/*
 * Operations whose costs "make ledger" counts. Writing to a file in debugfs performs
 * one. Those of known cost check the counting itself. See scripts/qemu/ledger.c.
 */
#include <linux/debugfs.h>
#include <linux/jump_label_batch.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/sizes.h>
#include <linux/smp.h>
#include <linux/stop_machine.h>
#include <linux/vmalloc.h>
#include <asm/cacheflush.h>
#include <asm/csr.h>
#include <asm/pgtable.h>
#include <asm/sbi.h>
#include <asm/tlbflush.h>

static int nothing_set(void *unused, u64 value)
{
	return 0;
}
DEFINE_DEBUGFS_ATTRIBUTE(nothing_fops, NULL, nothing_set, "%llu\n");

static int flush_set(void *unused, u64 value)
{
	flush_icache_all();
	return 0;
}
DEFINE_DEBUGFS_ATTRIBUTE(flush_fops, NULL, flush_set, "%llu\n");

static void fence_i(void *unused)
{
	local_flush_icache_all();
}

static int call_set(void *unused, u64 value)
{
	on_each_cpu(fence_i, NULL, 1);
	return 0;
}
DEFINE_DEBUGFS_ATTRIBUTE(call_fops, NULL, call_set, "%llu\n");

static int return_0(void *unused)
{
	return 0;
}

static int stop_set(void *unused, u64 value)
{
	return stop_machine(return_0, NULL, NULL);
}
DEFINE_DEBUGFS_ATTRIBUTE(stop_fops, NULL, stop_set, "%llu\n");

/* A page of this module, whose translations are flushed. */
static void *page;

static int translations_set(void *unused, u64 value)
{
	return sbi_remote_sfence_vma_asid(cpu_online_mask, (unsigned long)page, PAGE_SIZE,
					  FLUSH_TLB_NO_ASID);
}
DEFINE_DEBUGFS_ATTRIBUTE(translations_fops, NULL, translations_set, "%llu\n");

/* "ld x0, 0x7f8(rs)" passes the address of a table to the plugin: see scripts/qemu/ledger.c. */
static void announce(const void *table)
{
	asm volatile("ld x0, 0x7f8(%0)" : : "r"(table));
}

/* A table is written through the linear map or through the mapping of the kernel image. */
static void announce_both(phys_addr_t table)
{
	announce(__va(table));
	if (table >= kernel_map.phys_addr && table < kernel_map.phys_addr + kernel_map.size)
		announce((void *)(kernel_map.virt_addr + (table - kernel_map.phys_addr)));
}

static bool is_table(u64 entry)
{
	return (entry & _PAGE_PRESENT) && !(entry & _PAGE_LEAF);
}

static phys_addr_t table_of(u64 entry)
{
	return PFN_PHYS((entry & _PAGE_PFN_MASK) >> _PAGE_PFN_SHIFT);
}

static phys_addr_t root(void)
{
	return PFN_PHYS(csr_read(CSR_SATP) & SATP_PPN);
}

static int levels(void)
{
	return pgtable_l5_enabled ? 5 : pgtable_l4_enabled ? 4 : 3;
}

/* Announce this table and those below it; of the root, only the half of the kernel. */
static void announce_tables(phys_addr_t table, int level, int first)
{
	const u64 *entries = __va(table);
	int n;

	announce_both(table);
	for (n = first; level > 1 && n < PTRS_PER_PTE; n++) {
		if (is_table(entries[n]))
			announce_tables(table_of(entries[n]), level - 1, 0);
	}
}

static int tables_set(void *unused, u64 value)
{
	announce_tables(root(), levels(), PTRS_PER_PTE / 2);
	return 0;
}
DEFINE_DEBUGFS_ATTRIBUTE(tables_fops, NULL, tables_set, "%llu\n");

static u64 *entry_of(unsigned long addr)
{
	phys_addr_t table = root();
	int level;

	for (level = levels(); ; level--) {
		u64 *entry = (u64 *)__va(table) +
			     (addr >> (PAGE_SHIFT + 9 * (level - 1)) & (PTRS_PER_PTE - 1));

		if (!is_table(READ_ONCE(*entry)))
			return level == 1 ? entry : NULL;
		table = table_of(*entry);
	}
}

/* Write an entry of a page table without changing it. */
static int edit_set(void *unused, u64 value)
{
	u64 *entry = entry_of((unsigned long)page);

	if (!entry)
		return -ENXIO;
	WRITE_ONCE(*entry, READ_ONCE(*entry));
	return 0;
}
DEFINE_DEBUGFS_ATTRIBUTE(edit_fops, NULL, edit_set, "%llu\n");

static DEFINE_STATIC_KEY_FALSE(key);
static unsigned int sites_on;

#define SITE do { if (static_branch_unlikely(&key)) sites_on++; } while (0)
#define SITES_10 do { SITE; SITE; SITE; SITE; SITE; SITE; SITE; SITE; SITE; SITE; } while (0)
#define SITES_50 do { SITES_10; SITES_10; SITES_10; SITES_10; SITES_10; } while (0)
#define SITES_250 do { SITES_50; SITES_50; SITES_50; SITES_50; SITES_50; } while (0)

static noinline unsigned int count_sites(void)
{
	sites_on = 0;
	SITES_250;
	SITES_250;
	SITES_250;
	SITES_250;
	return sites_on;
}

/* One key with 1000 sites. */
static int key_set(void *unused, u64 value)
{
	if (value)
		static_branch_enable(&key);
	else
		static_branch_disable(&key);
	return count_sites() == (value ? 1000 : 0) ? 0 : -EIO;
}
DEFINE_DEBUGFS_ATTRIBUTE(key_fops, NULL, key_set, "%llu\n");

static struct static_key_false keys[300];

static __always_inline void count_key(unsigned int n)
{
	if (static_branch_unlikely(&keys[n]))
		sites_on++;
}

static __always_inline void count_5_keys(unsigned int n)
{
	count_key(n);
	count_key(n + 1);
	count_key(n + 2);
	count_key(n + 3);
	count_key(n + 4);
}

static __always_inline void count_25_keys(unsigned int n)
{
	count_5_keys(n);
	count_5_keys(n + 5);
	count_5_keys(n + 10);
	count_5_keys(n + 15);
	count_5_keys(n + 20);
}

static __always_inline void count_100_keys(unsigned int n)
{
	count_25_keys(n);
	count_25_keys(n + 25);
	count_25_keys(n + 50);
	count_25_keys(n + 75);
}

static noinline unsigned int count_keys(void)
{
	sites_on = 0;
	count_100_keys(0);
	count_100_keys(100);
	count_100_keys(200);
	return sites_on;
}

/* Keys with one site each, 64 at a time, as ddebug_change() changes those of dynamic debug. */
static int keys_set(void *unused, u64 value)
{
	struct static_key *some[64];
	unsigned int n, count = 0;

	for (n = 0; n < ARRAY_SIZE(keys); n++) {
		some[count++] = &keys[n].key;
		if (count < ARRAY_SIZE(some) && n < ARRAY_SIZE(keys) - 1)
			continue;
		if (value)
			static_keys_enable(some, count);
		else
			static_keys_disable(some, count);
		count = 0;
	}
	return count_keys() == (value ? ARRAY_SIZE(keys) : 0) ? 0 : -EIO;
}
DEFINE_DEBUGFS_ATTRIBUTE(keys_fops, NULL, keys_set, "%llu\n");

static struct dentry *folder;

static int __init ledger_init(void)
{
	page = vmalloc(PAGE_SIZE);
	if (!page)
		return -ENOMEM;
	folder = debugfs_create_dir("rust_riscv_ledger", NULL);
	debugfs_create_file("nothing", 0200, folder, NULL, &nothing_fops);
	debugfs_create_file("flush", 0200, folder, NULL, &flush_fops);
	debugfs_create_file("call", 0200, folder, NULL, &call_fops);
	debugfs_create_file("stop", 0200, folder, NULL, &stop_fops);
	debugfs_create_file("translations", 0200, folder, NULL, &translations_fops);
	debugfs_create_file("tables", 0200, folder, NULL, &tables_fops);
	debugfs_create_file("edit", 0200, folder, NULL, &edit_fops);
	debugfs_create_file("key", 0200, folder, NULL, &key_fops);
	debugfs_create_file("keys", 0200, folder, NULL, &keys_fops);
	return 0;
}
module_init(ledger_init);

static void __exit ledger_exit(void)
{
	debugfs_remove(folder);
	vfree(page);
}
module_exit(ledger_exit);

MODULE_DESCRIPTION("Operations whose costs are counted");
MODULE_LICENSE("GPL");
