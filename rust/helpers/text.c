// SPDX-License-Identifier: GPL-2.0
/*
 * The lock of kernel text, the kprobes in it, and how harts fetch instructions.
 * In a kernel without our hooks the lock is a no-op, and no kprobe is found,
 * since modules can neither use text_mutex nor look kprobes up.
 */
#include <linux/string.h>
#include <linux/text-patching.h>
#include <asm/cpufeature.h>

#include "helpers.h"

#ifdef RUST_RISCV_TEXT_HOOKS
void rust_riscv_text_lock(void)
{
	patch_text_lock();
}

void rust_riscv_text_unlock(void)
{
	patch_text_unlock();
}

unsigned long rust_riscv_text_kprobe(unsigned long addr, size_t len)
{
	return patch_text_kprobe(addr, len);
}
#else
void rust_riscv_text_lock(void)
{
}

void rust_riscv_text_unlock(void)
{
}

unsigned long rust_riscv_text_kprobe(unsigned long addr, size_t len)
{
	return 0;
}
#endif

/* Whether all harts fetch an aligned 4-byte instruction atomically (Ziccif). */
bool rust_riscv_fetch_is_atomic(void)
{
	return __riscv_isa_extension_available(NULL, RISCV_ISA_EXT_ZICCIF);
}
