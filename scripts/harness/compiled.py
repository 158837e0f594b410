# SPDX-License-Identifier: GPL-2.0
"""Checks that compiled code contains the accesses and barriers of a litmus test's thread.

For each event that harness.threads has found in the sources, the machine code of the innermost
function around it that is not inlined is searched, in order: for each access with an
ordering, each barrier, and each access to an atomic.
"""

import re
from collections.abc import Callable

from harness.functions import Function
from harness.sources import LINUX
from harness.threads import Event, Tie, Wrong

# An element of a function of disassembly.py: an instruction, or a call.
Token = str
Test = Callable[[Token], bool]

LOAD = re.compile(r"l[bhwd]u?$|lr\.[wd]")
STORE = re.compile(r"s[bhwd]$|sc\.[wd]")
# Calls of helpers of the kernel crate.
HELPER = r"call rust_helper_"


def is_fence(before: str, after: str) -> Test:
    """Whether it is a fence of at least these kinds of accesses."""
    def test(token: Token) -> bool:
        m = re.fullmatch(r"fence (\w+),(\w+)", token)
        return bool(m and set(before) <= set(m[1]) and set(after) <= set(m[2]))
    return test


def matches(pattern: str) -> Test:
    compiled = re.compile(pattern)
    return lambda token: compiled.match(token) is not None


def atomic(order: str) -> list[list[Test]]:
    """A read-modify-write, of 1 to 8 bytes."""
    amo, helper = matches(r"amo|sc\."), HELPER + r"atomic\w*_(?:xchg|cmpxchg|fetch|\w+_return)"
    full = [[matches(r"amo\w+\.[wd]\.aqrl")],
            [matches(rf"{helper}(?!\w*_(?:relaxed|acquire|release)$)")],
            [matches(r"sc\.[wd]\.rl"), is_fence("rw", "rw")]]
    more = {
        "": [[amo], [matches(helper)]],
        "acquire": [[amo, is_fence("r", "rw")], [matches(r"amo\S+\.aq$")],
                    [matches(rf"{helper}\w*_acquire$")]],
        "release": [[is_fence("rw", "w"), amo], [matches(r"amo\S+\.rl$")],
                    [matches(rf"{helper}\w*_release$")]],
        "full": [],
    }
    return more[order] + full


def fences(kind: str) -> list[list[Test]]:
    bits = {"mb": ("rw", "rw"), "rmb": ("r", "r"), "wmb": ("w", "w")}[kind]
    names = {"mb": "(?:smp_)?mb", "rmb": "(?:smp_)?r?mb", "wmb": "(?:smp_)?w?mb"}[kind]
    return [[is_fence(*bits)], [matches(rf"{HELPER}{names}$")]]


def words(word: str) -> list[list[Test]]:
    """The instruction or call that a primitive of a litmus test stands for."""
    if m := re.fullmatch(r"RISCV_FENCE\((\w+), (\w+)\)", word):
        return [[is_fence(*m.groups())]]
    if m := re.fullmatch(r"(?:dma_)?mb\((Full|Read|Write)\)", word):
        letter = {"Full": "", "Read": "r", "Write": "w"}[m[1]]
        bits = {"Full": ("iorw", "iorw"), "Read": ("ir", "ir"), "Write": ("ow", "ow")}[m[1]]
        dma = "(?:dma_)?" if word.startswith("dma") else ""
        return [[is_fence(*bits)], [matches(rf"{HELPER}{dma}{letter}mb$")]]
    if word in ("fence.i", "local_flush_icache_all()"):
        return [[matches(r"fence\.i$")]]
    if m := re.fullmatch(r"(?:scoped_)?guard\(mutex, .*\)", word):
        return [[matches("call mutex_lock")]]
    if word in ("synchronize_rcu", "synchronize_rcu_tasks()", "kick_all_cpus_sync()"):
        return [[matches(f"call {word.removesuffix('()')}$")]]
    if word == "cpumask_test_and_set_cpu()":
        return [[matches(r"amoor\.d\.aqrl")]]
    return []


def ways(e: Event) -> list[list[Test]]:
    """The instruction sequences that an event can be compiled to; empty if to none."""
    if e.kind == "word":
        return words(e.name)
    if e.kind == "fence":
        return [] if e.order == "barrier" else fences(e.order)
    if e.kind == "rmw":
        return atomic(e.order)
    load, store = matches(LOAD.pattern), matches(STORE.pattern)
    if e.kind == "load":
        acquired = [[load, is_fence("r", "rw")], [matches(HELPER + r"atomic\w*_read_acquire$")]]
        plain = [[load], [matches(HELPER + r"atomic\w*_read(?:_acquire)?$")]]
        return acquired if e.order == "acquire" else plain
    if e.kind == "store":
        released = [[is_fence("rw", "w"), store], [matches(HELPER + r"atomic\w*_set_release$")]]
        plain = [[store], [matches(HELPER + r"atomic\w*_set(?:_release)?$")]]
        return released if e.order == "release" else plain
    # A name that is only mentioned may be an address, or in a register.
    return []


def end_of(way: list[Test], code: list[Token], start: int) -> int | None:
    """The index after the first match of these instructions, or None."""
    at = start
    for test in way:
        while at < len(code) and not test(code[at]):
            at += 1
        if at == len(code):
            return None
        at += 1
    return at


def look(events: list[Event], code: list[Token], symbol: str) -> None:
    """Find the events in a function's code, in order. Raises Wrong if one is missing."""
    at = 0
    for e in events:
        if possible := ways(e):
            ends = [end for way in possible if (end := end_of(way, code, at)) is not None]
            if not ends:
                raise Wrong(f"{symbol} has no {e} in its code, which is {'; '.join(code)}")
            at = min(ends)


def symbol_of(f: Function, code: dict[str, list[Token]]) -> str | None:
    """The symbol of a function, if it is not inlined everywhere."""
    if f.path.endswith(".c"):
        return f.name if f.name in code else None
    *of, name = f.name.split("::")
    module = f.path.rpartition("/")[2].removesuffix(".rs")
    pattern = re.compile(
        rf"(?:.*::|<){module}::(?:{of[0]}(?:<.*>)?(?: as .*)?>::)?{name}(?:::<.*>)?" if of else
        rf"(?:.*::)?{module}::{name}(?:::<.*>)?")
    return next((s for s in code if pattern.fullmatch(s)), None)


def check(tie: Tie, found: list[Event], code: Callable[[str], dict[str, list[Token]]]) -> None:
    """Find the events of the sources in compiled code. Raises Wrong if one is missing."""
    places: dict[tuple[str, str], list[Event]] = {}
    by_name = {f.name: f for f in tie.functions}
    roots = [chain[0].name for chain in tie.chains]
    for e in found:
        for name in reversed(e.path):
            f = by_name[name]
            group = f.path if f.path.startswith(LINUX) else ""
            symbol = tie.symbol if tie.symbol and name in roots else symbol_of(f, code(group))
            if symbol:
                places.setdefault((group, symbol), []).append(e)
                break
    if not any(ways(e) for events in places.values() for e in events):
        raise Wrong("nothing of it is in compiled code")
    for (group, symbol), events in places.items():
        if symbol not in code(group):
            raise Wrong(f"there is no {symbol} in compiled code")
        look(events, code(group)[symbol], symbol)
