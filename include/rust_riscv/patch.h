/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The C API for patching kernel text. See Documentation/text-patching.rst.
 *
 * Of a batch of edits, either all are made or none:
 *
 *	struct rust_riscv_batch *batch = rust_riscv_patch_begin();
 *	int err;
 *
 *	if (!batch)
 *		return -ENOMEM;
 *	err = rust_riscv_patch_add(batch, addr, &old, &new, sizeof(new), 0);
 *	if (err) {
 *		rust_riscv_patch_drop(batch);
 *		return err;
 *	}
 *	return rust_riscv_patch_commit(batch);
 *
 * Each error leaves the text unchanged, with one rate-limited line in the log.
 *
 * Errors of rust_riscv_patch_add(), which leave the batch unchanged:
 *	-ENODATA	no bytes
 *	-EMSGSIZE	more than 8 bytes
 *	-EINVAL		an odd number of bytes, a null pointer, or unknown flags
 *	-EADDRNOTAVAIL	an odd address
 *	-EFAULT		not kernel text, or not all in the image or one module
 *	-EBUSY		in a module whose init function is still running, even the
 *			caller's own: retry when the module is live, for example
 *			from a work item, or a notifier at MODULE_STATE_LIVE
 *	-ESHUTDOWN	in a module that is being removed
 *	-ENOMEM		no memory
 *
 * Errors of rust_riscv_patch_commit(), which frees the batch in any case:
 *	-ENODATA	no edits
 *	-EEXIST		two edits overlap
 *	-E2BIG		more pages than the module parameter window_pages
 *	-EILSEQ		the text does not hold the old bytes of an edit
 *	-EBUSY		a kprobe, armed or not, is on an instruction of an edit:
 *			retry when it is unregistered (not detected in a kernel
 *			without our hooks, unless it is armed: -EILSEQ)
 *	-EFAULT		an address is no longer kernel text
 *	-ENOENT		a CPU could not be stopped
 *	-EINVAL		a null pointer
 *	-ENODEV		built in: before the initcall of rust_riscv_patch (device
 *			level, in link order), or if it has failed or did not run
 *
 * The batch that undoes an edit can be refused, too: root can define a kprobe
 * event on the instruction at any time. An exit function cannot fail, so it must
 * not be the one that undoes the edit: take a reference to the own module
 * (__module_get(THIS_MODULE)) while the edit is in place, and drop it after it was
 * undone (module_put(THIS_MODULE)). Until then the module cannot be removed.
 */
#ifndef RUST_RISCV_PATCH_H
#define RUST_RISCV_PATCH_H

#include <linux/bits.h>
#include <linux/types.h>

struct rust_riscv_batch;

/* Write this edit when all edits without the flag are visible to all CPUs. */
#define RUST_RISCV_PATCH_PHASE_1	BIT(0)
/* The bytes are not instructions, but a literal that instructions load. */
#define RUST_RISCV_PATCH_LITERAL	BIT(1)

/* Create an empty batch; NULL if there is no memory. May sleep. */
struct rust_riscv_batch *rust_riscv_patch_begin(void);

/*
 * Add an edit that replaces @old at @addr with @new, @len bytes each. May sleep.
 *
 * The caller must ensure that @new is valid code there. If it replaces several
 * instructions at once, no code may branch into their middle, and RCU must be
 * watching when they run: they are not noinstr, cpuidle or entry code.
 */
int rust_riscv_patch_add(struct rust_riscv_batch *batch, void *addr,
			 const void *old, const void *new, size_t len,
			 unsigned int flags);

/* Make all edits, or none, and free the batch. Sleeps, allocates nothing. */
int rust_riscv_patch_commit(struct rust_riscv_batch *batch);

/* Free a batch without making its edits. Does nothing for NULL. */
void rust_riscv_patch_drop(struct rust_riscv_batch *batch);

#endif
