# SPDX-License-Identifier: GPL-2.0
"""Finds warnings and errors in the kernel's log.

There is no list of exceptions, and none must be added: a test must not cause warnings.
"""

import re
from pathlib import Path

COMPLAINTS = (
    r"\bWARNING: ",
    r"\bBUG: ",
    # Of SLUB.
    r"\bBUG [\w-]+ \(",
    r"[Kk]ernel BUG\b",
    r"\bOops\b",
    r"Call Trace:|Modules linked in:|end trace",
    r"Kernel panic",
    r"panicked at",
    r"Unable to handle|Unexpected page fault",
    r"Insufficient stack space",
    r"Fixing recursive fault",
    r"unhandled (?:signal|exception)",
    r"detected stalls?|self-detected stall|rcu.*starved|kthread timer wakeup didn't happen",
    r"soft lockup|hard LOCKUP",
    r"blocked for more than",
    r"INFO: (?:possible|task|trying|lockdep|rcu|NMI)",
    r"possible (?:circular|recursive|irq lock)",
    r"suspicious RCU",
    r"DEBUG_LOCKS_WARN|inconsistent lock state|held lock freed",
    r"scheduling while atomic|sleeping function called",
    r"KASAN:|UBSAN:|KFENCE:|ODEBUG:",
    r"refcount_t:|list_(?:add|del) corruption|Objects remaining",
    r"insecure W\+X|W\+X mappings: (?!passed)",
    r"nobody cared|bogus return value|Spurious.* IRQ",
    # CPUs that do not come online, go offline or respond. Not "isn't stopped": Linux queries the
    # firmware once, after the hart has announced that it is about to stop. On a busy host the hart
    # may still be STARTED or STOP_PENDING then. Starting it again immediately fails, and tests
    # retry until it succeeds.
    r"failed to stop secondary CPUs",
    r"CPU\d+:? (?:failed to (?!start$)|unhandled IPI)",
    r"CPU \d+ \S+ state .* failed \(",
    r"hbase = .* failed \(error",
    r"CSD lock \(#",
    # Time and interrupts.
    r"went backward|Marking clocksource|Failed to broadcast timer tick",
    r"tick-stop error|entered softirq",
    # Text patching.
    r"ftrace bug \]|ftrace failed to|Bad trampoline accounting",
    r"Return address not found|Failed to recover from reentered kprobes",
    # Of samples/ftrace/ftrace-ops: calls were not traced.
    r"Counter called \d+ times \(expected",
    # Memory and references.
    r"page allocation failure|Double-freed",
    r"unregister_netdevice: waiting|kobject_add_internal failed",
    # Lost messages may have been warnings.
    r"messages dropped",
)
COMPLAINT = re.compile("|".join(COMPLAINTS))

# Files that the guest sends are data, not messages of the kernel.
DATA = re.compile(r"\] guest-[\w-]+: ")


def complaints(lines: list[str]) -> list[int]:
    """The indices of the lines with a warning or an error."""
    return [i for i, line in enumerate(lines)
            if COMPLAINT.search(line) and not DATA.search(line)]


def report(lines: list[str], log: Path) -> str:
    """The first warning or error in the lines of a log, for a message; empty if there is none."""
    found = complaints(lines)
    return f"the kernel complains, in {log}:\n{excerpt(lines, found[0])}" if found else ""


def excerpt(lines: list[str], at: int, before: int = 3, after: int = 25) -> str:
    return "\n".join("    " + line for line in lines[max(at - before, 0):at + after])
