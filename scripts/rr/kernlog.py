# SPDX-License-Identifier: GPL-2.0
"""What a kernel log must not have in it.

There is no list of exceptions, and none is to be added: a test that provokes a
warning is a test to be changed.
"""

import re

COMPLAINTS = (
    r"\bWARNING: ",
    r"\bBUG: ",
    r"kernel BUG at",
    r"\bOops\b",
    r"Call Trace:",
    r"Kernel panic",
    r"Unable to handle",
    r"unhandled (?:signal|exception)",
    r"detected stalls?|self-detected stall|rcu.*starved",
    r"soft lockup|hard LOCKUP",
    r"blocked for more than",
    r"INFO: (?:possible|task|trying|lockdep|rcu)",
    r"possible (?:circular|recursive|irq lock)",
    r"suspicious RCU",
    r"DEBUG_LOCKS_WARN|inconsistent lock state|held lock freed",
    r"scheduling while atomic|sleeping function called",
    r"KASAN:|UBSAN:|KFENCE:|ODEBUG:",
    r"refcount_t:|list_(?:add|del) corruption|Objects remaining",
    r"insecure W\+X|W\+X mappings: (?!passed)",
    r"nobody cared",
    # A log with holes in it proves nothing.
    r"messages dropped",
)
COMPLAINT = re.compile("|".join(COMPLAINTS))

# Files the guest sends are data, not the kernel's words.
DATA = re.compile(r"\] rr-[\w-]+: ")


def complaints(lines: list) -> list:
    """The places (line numbers from 0) where the kernel complains."""
    return [i for i, line in enumerate(lines)
            if COMPLAINT.search(line) and not DATA.search(line)]


def excerpt(lines: list, at: int, before: int = 3, after: int = 25) -> str:
    return "\n".join("    " + line for line in lines[max(at - before, 0):at + after])
