// SPDX-License-Identifier: GPL-2.0
/* The log: its rate limit, and symbols for addresses. */
#include <linux/kallsyms.h>
#include <linux/ratelimit.h>
#include <linux/sprintf.h>
#include <linux/string.h>

#include "helpers.h"

/* Whether the rate limit allows another log line about refused edits. */
bool rust_riscv_ratelimit(void)
{
	static DEFINE_RATELIMIT_STATE(state, DEFAULT_RATELIMIT_INTERVAL,
				      DEFAULT_RATELIMIT_BURST);

	return __ratelimit(&state);
}

/*
 * Print the symbol, offset and size for @addr to @buffer, of RUST_RISCV_SYMBOL_LEN
 * bytes. If there is no symbol, print a hash like %p does: sprint_symbol() then
 * prints the plain address or, without CONFIG_KALLSYMS, nothing.
 *
 * Returns the length without the NUL.
 */
size_t rust_riscv_symbol(char *buffer, unsigned long addr)
{
	int len = sprint_symbol(buffer, addr);

	if (len && strncmp(buffer, "0x", 2) != 0)
		return len;
	return scnprintf(buffer, KSYM_SYMBOL_LEN, "%p", (void *)addr);
}
