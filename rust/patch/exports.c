// SPDX-License-Identifier: GPL-2.0
/*
 * Exports the symbols of the crate `riscv_patch` and its C ABI to the modules
 * that use it, as rust/exports.c does for the kernel crate.
 */
#include <linux/export.h>

#define EXPORT_SYMBOL_RUST_GPL(sym) extern int sym; EXPORT_SYMBOL_GPL(sym)

#include "exports_generated.h"
