// SPDX-License-Identifier: GPL-2.0
/*
 * How harts fetch instructions, and keeping others from writing kernel text. Without our hooks in
 * the kernel nothing does: text_mutex is not for modules.
 */
#include <linux/string.h>
#include <linux/text-patching.h>
#include <asm/cpufeature.h>

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

/* Whether all harts fetch an aligned instruction of 4 bytes at once. */
bool rr_fetch_is_atomic(void)
{
	return __riscv_isa_extension_available(NULL, RISCV_ISA_EXT_ZICCIF);
}
