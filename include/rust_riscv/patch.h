/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Patching kernel text, for C modules. See Documentation/text-patching.rst.
 *
 * A batch of edits is made as a whole or not at all:
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
 * Errors, each with one rate-limited line in the log and the text unchanged:
 *
 * from rust_riscv_patch_add(), which leave the batch as it was:
 *	-ENODATA	no bytes
 *	-EMSGSIZE	more than 8 bytes
 *	-EINVAL		an odd number of bytes, a null pointer, or unknown flags
 *	-EADDRNOTAVAIL	an odd address
 *	-EFAULT		not kernel text, or not all in the image or one module
 *	-EBUSY		in a module whose init function has not returned yet, be it
 *			the caller's own: try again once the module is live, from
 *			a work item, say, or a notifier's MODULE_STATE_LIVE
 *	-ESHUTDOWN	in a module that is being removed
 *	-ENOMEM		no memory
 *
 * from rust_riscv_patch_commit(), which ends the batch either way:
 *	-ENODATA	no edits
 *	-EEXIST		two edits overlap
 *	-E2BIG		more pages than the module parameter window_pages
 *	-EILSEQ		the old bytes of an edit are not what is there
 *	-EFAULT		an address is no longer kernel text
 *	-ENOENT		a CPU could not be stopped
 *	-EINVAL		a null pointer
 */
#ifndef RUST_RISCV_PATCH_H
#define RUST_RISCV_PATCH_H

#include <linux/bits.h>
#include <linux/types.h>

struct rust_riscv_batch;

/* Make this edit after all without the flag, visibly to every CPU. */
#define RUST_RISCV_PATCH_PHASE_1	BIT(0)
/* The bytes are no instructions, but a literal that instructions load. */
#define RUST_RISCV_PATCH_LITERAL	BIT(1)

/* An empty batch, or NULL without memory. May sleep. */
struct rust_riscv_batch *rust_riscv_patch_begin(void);

/*
 * At @addr, where @old is, shall be @new; @len bytes each. May sleep. The
 * caller answers for @new being valid code there and, where it is several
 * instructions at once, for nothing branching into its middle and RCU watching
 * whoever runs it: not in noinstr, cpuidle's or entry text.
 */
int rust_riscv_patch_add(struct rust_riscv_batch *batch, void *addr,
			 const void *old, const void *new, size_t len,
			 unsigned int flags);

/* Make all edits, or none, and free the batch. Sleeps, allocates nothing. */
int rust_riscv_patch_commit(struct rust_riscv_batch *batch);

/* Free a batch without making its edits. NULL is fine. */
void rust_riscv_patch_drop(struct rust_riscv_batch *batch);

#endif
