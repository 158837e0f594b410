/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What bindgen reads. The functions and variables that end up in the bindings
 * are listed in bindgen_parameters.
 */
#include <linux/kallsyms.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/text-patching.h>
#include <asm/delay.h>
#include <linux/vmalloc.h>
#include <asm/page.h>
#ifdef CONFIG_RISCV_FAULT_PROVIDER
#include <asm/fault_provider.h>
#endif
#include <asm/sbi.h>

#include "../helpers/helpers.h"

/* Macros that bindgen cannot evaluate. */
const unsigned long RUST_RISCV_VM_MAP = VM_MAP;
const unsigned long RUST_RISCV_SYMBOL_LEN = KSYM_SYMBOL_LEN;
