// SPDX-License-Identifier: GPL-2.0
#include <linux/kallsyms.h>
#include <linux/ratelimit.h>
#include <linux/sprintf.h>
#include <linux/string.h>

#include "helpers.h"

/* Whether one more line about refused edits may go to the log now. */
bool rr_ratelimit(void)
{
	static DEFINE_RATELIMIT_STATE(state, DEFAULT_RATELIMIT_INTERVAL,
				      DEFAULT_RATELIMIT_BURST);

	return __ratelimit(&state);
}

/*
 * Name what is at @addr in @buffer, of RR_SYMBOL_LEN bytes: symbol, offset and
 * size. Where sprint_symbol() has no name it gives the plain number or, without
 * CONFIG_KALLSYMS, nothing: then a hash, as %p prints it.
 *
 * Returns the length without the NUL.
 */
size_t rr_symbol(char *buffer, unsigned long addr)
{
	int len = sprint_symbol(buffer, addr);

	if (len && strncmp(buffer, "0x", 2) != 0)
		return len;
	return scnprintf(buffer, KSYM_SYMBOL_LEN, "%p", (void *)addr);
}
