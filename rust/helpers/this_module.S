/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The owner of files in debugfs is the module that their code is linked into:
 * rust/riscv/debugfs/entry.rs. For built-in code that is none, a null pointer.
 *
 * Only data may refer to it. Code refers to symbols relative to the program
 * counter, which with CONFIG_RELOCATABLE is not possible for an absolute one: the
 * kernel would not link.
 */
	.globl	__this_module
	.hidden	__this_module
	.set	__this_module, 0
