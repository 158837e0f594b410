// SPDX-License-Identifier: GPL-2.0
/*
 * Keeping others from writing kernel text. Without our hooks in the kernel
 * nothing does: text_mutex is not for modules.
 */
#include <linux/string.h>
#include <linux/text-patching.h>

#include "helpers.h"

#ifdef RUST_RISCV_TEXT_HOOKS
void rr_text_lock(void)
{
	patch_text_lock();
}

void rr_text_unlock(void)
{
	patch_text_unlock();
}
#else
void rr_text_lock(void)
{
}

void rr_text_unlock(void)
{
}
#endif
