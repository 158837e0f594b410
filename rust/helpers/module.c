// SPDX-License-Identifier: GPL-2.0
/* The module that contains an address, and references to it. */
#include <linux/errno.h>
#include <linux/module.h>
#include <linux/rculist.h>
#include <asm/page.h>

#include "helpers.h"

static bool owns_text(const struct module *mod, unsigned long addr)
{
	return mod->state != MODULE_STATE_UNFORMED &&
	       within_module_mem_type(addr, mod, MOD_TEXT);
}

#ifdef MODULE
/*
 * Whether @entry is the head of the list of modules, which is not exported. The
 * head is in the kernel image; every other entry is in a struct module, in the
 * memory of that module.
 */
static bool is_list_head(const struct list_head *entry)
{
	unsigned long addr = (unsigned long)entry;

	return addr >= kernel_map.virt_addr &&
	       addr < kernel_map.virt_addr + kernel_map.size;
}

/* The module whose text contains @addr, or NULL. In an RCU read-side critical section. */
static struct module *find_owner(unsigned long addr)
{
	struct module *self = THIS_MODULE;
	struct list_head *entry = &self->list;

	do {
		struct module *mod = list_entry(entry, struct module, list);

		if (!is_list_head(entry) && owns_text(mod, addr))
			return mod;
		entry = rcu_dereference_raw(list_next_rcu(entry));
	} while (entry != &self->list);

	return NULL;
}
#else
/* The same with a function that is not exported to modules. */
static struct module *find_owner(unsigned long addr)
{
	struct module *mod = __module_text_address(addr);

	return mod && owns_text(mod, addr) ? mod : NULL;
}
#endif

static int get_owner(struct module *mod, unsigned long addr, unsigned long len,
		     struct module **owner)
{
	if (!within_module_mem_type(addr + len - 1, mod, MOD_TEXT))
		return -EFAULT;
	/* If its init function fails, it is freed despite references. */
	if (mod->state == MODULE_STATE_COMING)
		return -EBUSY;
	if (!try_module_get(mod))
		return -ESHUTDOWN;
	*owner = mod;
	return 0;
}

/*
 * Pin the module whose text contains @len bytes at @addr. The text of init
 * functions does not count, since it is freed after init.
 *
 * Returns 0 and a reference in @owner, -EFAULT when the bytes are not all in
 * one module's text, -EBUSY while that module's init function runs, -ESHUTDOWN
 * when it is being removed.
 */
int rust_riscv_module_get_by_text(unsigned long addr, unsigned long len,
				  struct module **owner)
{
	struct module *mod;

	guard(rcu)();

	mod = find_owner(addr);
	return mod ? get_owner(mod, addr, len, owner) : -EFAULT;
}
