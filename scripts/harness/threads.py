# SPDX-License-Identifier: GPL-2.0
"""Checks that our functions do what the threads of litmus tests do.

The comment of a test names the functions that each thread stands for, one per line; a
continuation line is indented by 4 more:

  P0: FUNCTION > CALLEE ... + FUNCTION ... as SYMBOL; NAME is WORD, ...
  P1: no code: DESCRIPTION

The thread's accesses and barriers must be in the function, in the same order: those of a
callee where it is called, those of several functions (+) one after the other. NAME is a
variable or a primitive of the test, for which the code has

  WORD                        a variable (by default, one of the same name)
  WORD()                      a call: one call matches successive events
  any other text              spaces are ignored
  elsewhere                   nothing: it is not in these functions

A function is named as in harness.functions. FILE: in front of it makes it unique, and
linux/FILE: is a file of the kernel with our hooks. SYMBOL is its name in compiled code; by
default that of the function if it is in C. With "none" compiled code is not checked.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from harness import functions
from harness.functions import Function
from harness.sources import Sources

LINE = re.compile(r"^ \* P(\d+): (.+(?:\n \*     .+)*)", re.MULTILINE)
THREAD = re.compile(r"^P(\d+)\([^)]*\)\n\{(.*?)^\}", re.MULTILINE | re.DOTALL)
NO_CODE = "no code: "

# The orderings that each ordering is at least as strong as.
AS_STRONG = {
    "": ("",),
    "dependency": ("", "dependency"),
    "acquire": ("", "dependency", "acquire"),
    "release": ("", "release"),
    "full": ("", "dependency", "acquire", "release", "full"),
    "mb": ("barrier", "rmb", "wmb", "mb"),
}


@dataclass(frozen=True)
class Event:
    """An access or a barrier."""

    kind: str  # load, store, rmw, access (any of these), fence, word
    name: str  # the variable, or the word
    order: str = ""  # the ordering of an access, or the kind of fence
    at: int = 0
    path: tuple[str, ...] = ()  # the functions that contain it, the innermost last

    def does(self, wanted: "Event") -> bool:
        """Whether this event is at least as strong as the wanted one."""
        if self.kind == "fence" or wanted.kind == "fence" or wanted.kind == "word":
            same = (self.kind, self.name) == (wanted.kind, wanted.name)
        else:
            same = self.name == wanted.name and (
                self.kind == wanted.kind
                or (wanted.kind in ("load", "store") and self.kind in ("access", "rmw")))
        return same and wanted.order in AS_STRONG.get(self.order, (self.order,))

    def __str__(self) -> str:
        if self.kind in ("fence", "word"):
            return self.order or self.name
        return f"{self.order and self.order + ' '}{self.kind} of {self.name}"


class Wrong(Exception):
    """A problem of a line, or of the code that it names."""


# Primitives in C: a pattern for their names, and what they are.
FENCES = {"smp_mb": "mb", "smp_rmb": "rmb", "smp_wmb": "wmb", "barrier": "barrier"}
# Primitives of litmus tests that are not an access.
WORDS = ("synchronize_rcu", "rcu_read_lock", "rcu_read_unlock", "spin_lock", "spin_unlock")
ACCESS_C = re.compile(
    r"\b(READ_ONCE|WRITE_ONCE|smp_store_release|smp_load_acquire|smp_store_mb|RCU_INIT_POINTER"
    r"|rcu_assign_pointer|rcu_dereference\w*|(?:cmp)?xchg(?:_\w+)?|atomic_\w+)\s*\(")
ACCESS_RUST = re.compile(
    r"\b([A-Za-z_]\w*)(?:\.\d+|\[[^][]*\])*[\s})]*\.\s*(load|store|xchg|cmpxchg|fetch_add|fetch_sub|add)\s*\(")
FENCE_C = re.compile(r"\b(smp_mb|smp_rmb|smp_wmb|barrier)\s*\(\s*\)")
FENCE_RUST = re.compile(r"(?<!fn )\b(?:smp_mb\s*\(\s*(Full|Read|Write)\s*\)|barrier\s*\(\s*\))")
STORE_MB_RUST = re.compile(r"(?<!fn )\b(smp_store_mb)\s*\(")
RUST_FENCES = {"Full": "mb", "Read": "rmb", "Write": "wmb", None: "barrier"}
ORDER_RUST = re.compile(r"\b(Relaxed|Acquire|Release|Full)\b")


def access_c(name: str) -> tuple[str, str]:
    """The kind and the ordering of a primitive."""
    exact = {"READ_ONCE": ("load", ""), "WRITE_ONCE": ("store", ""),
             "RCU_INIT_POINTER": ("store", ""), "smp_store_mb": ("store", "mb"),
             "smp_store_release": ("store", "release"), "rcu_assign_pointer": ("store", "release"),
             "smp_load_acquire": ("load", "acquire")}
    if name in exact:
        return exact[name]
    if name.startswith("rcu_dereference"):
        return "load", "dependency"
    suffix = re.search(r"_(relaxed|acquire|release)$", name)
    order = suffix.group(1).replace("relaxed", "") if suffix else None
    if re.match(r"atomic_(read|set)\b|atomic_(read|set)_", name):
        return "load" if "read" in name else "store", order or ""
    # Only operations that return a value have an ordering.
    returns = re.search(r"xchg|_return|_fetch_|fetch_|_and_test|_unless|_inc_not_zero", name)
    return "rmw", order if order is not None else ("full" if returns else "")


def last_identifier(text: str) -> str:
    """The field or variable at the end of an expression: x for "&self.0.x"."""
    found = re.findall(r"[A-Za-z_]\w*", text)
    return found[-1] if found else ""


def first_argument(code: str, start: int, end: int) -> str:
    depth = 0
    for at in range(start, end):
        depth += (code[at] in functions.OPEN) - (code[at] in functions.CLOSE)
        if code[at] == "," and not depth:
            return code[start:at]
    return code[start:end]


def calls(code: str, pattern: str) -> Iterator[tuple[int, int]]:
    """Where each call of a function that the pattern matches begins and ends."""
    for m in re.finditer(rf"(?<!fn ){pattern}\s*(?:::<[^()]*>)?\s*\(", code):
        yield m.start(), functions.closing(code, m.end() - 1)


def call_pattern(name: str) -> str:
    """A pattern for calls of a function: as Type::name, or as a method."""
    *of, last = name.split("::")
    if of and of[-1][:1].isupper():
        return rf"(?:\b(?:{of[-1]}(?:::<[^()]*>)?|Self)::|\.\s*){last}\b"
    return rf"\b{last}\b"


def primitives(f: Function, expanded: set[str]) -> Iterator[Event]:
    """The events of a function's own code. A call counts where it ends."""
    code = f.text
    if not f.path.endswith(".rs"):
        for m in ACCESS_C.finditer(code):
            end = functions.closing(code, m.end() - 1)
            kind, order = access_c(m.group(1))
            name = last_identifier(first_argument(code, m.end(), end))
            yield from store_mb(kind, name, order, end)
        for m in FENCE_C.finditer(code):
            yield Event("fence", "", FENCES[m.group(1)], m.start())
        return
    for m in ACCESS_RUST.finditer(code):
        end = functions.closing(code, m.end() - 1)
        orders = ORDER_RUST.findall(code[m.end():end])
        order = orders[0].lower().replace("relaxed", "") if orders else ""
        kind = m.group(2) if m.group(2) in ("load", "store") else "rmw"
        yield Event(kind, m.group(1), order, end)
    for m in FENCE_RUST.finditer(code):
        yield Event("fence", "", RUST_FENCES[m.group(1)], m.start())
    if "smp_store_mb" not in expanded:
        for m in STORE_MB_RUST.finditer(code):
            end = functions.closing(code, m.end() - 1)
            name = last_identifier(re.sub(r"\.\d+", "", first_argument(code, m.end(), end)))
            yield from store_mb("store", name, "mb", end)


def store_mb(kind: str, name: str, order: str, at: int) -> Iterator[Event]:
    """The events of an access: two for smp_store_mb(), which contains a barrier."""
    yield Event(kind, name, "" if order == "mb" else order, at)
    if order == "mb":
        yield Event("fence", "", "mb", at)


def words(code: str, word: str) -> Iterator[Event]:
    if word.endswith("()"):
        for _, end in calls(code, rf"\b{re.escape(word[:-2])}"):
            yield Event("word", word, at=end)
        return
    parts = re.findall(r"\w+|[^\w\s]", word)
    pattern = r"\s*".join(map(re.escape, parts))
    for m in re.finditer(rf"(?<!\w){pattern}(?!\w)", code):
        yield Event("word", word, at=m.end())


def is_variable(word: str) -> bool:
    return re.fullmatch(r"\w+", word) is not None


@dataclass
class Tie:
    """A line that names the code that a thread stands for."""

    thread: int
    chains: list[list[Function]] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)
    symbol: str | None = None
    no_code: str = ""
    wrong: str = ""  # if it cannot be parsed

    @property
    def functions(self) -> list[Function]:
        return [f for chain in self.chains for f in chain]

    def __str__(self) -> str:
        return " + ".join(chain[0].name for chain in self.chains)

    def events(self, wanted: set[Event]) -> list[Event]:
        """The events of the functions, in order: those with an ordering, and wanted ones."""
        return [e for chain in self.chains
                for e in self.events_of(chain[0], chain[1:], wanted, (), set())]

    def events_of(self, f: Function, callees: list[Function], wanted: set[Event],
                  path: tuple[str, ...], entered: set[str]) -> list[Event]:
        path = (*path, f.name)
        own = list(primitives(f, {c.name for c in callees}))
        for word in {w.name for w in wanted if w.kind == "word"}:
            own += words(f.text, word)
        for name in {w.name for w in wanted if w.kind not in ("word", "fence")}:
            own += [Event("access", name, at=mention(f.text, m.start(), m.end()))
                    for m in re.finditer(rf"\b{name}\b", f.text)]
        inserted: list[tuple[int, int, list[Event]]] = []
        for callee in callees:
            if callee.name in path:
                continue
            for _, end in calls(f.text, call_pattern(callee.name)):
                entered.add(callee.name)
                inserted.append((end, 1, self.events_of(callee, callees, wanted, path, entered)))
        placed = [(e.at, 0, [Event(e.kind, e.name, e.order, e.at, path)]) for e in own] + inserted
        placed.sort(key=lambda p: p[:2])
        found = [e for _, _, events in placed for e in events]
        if len(path) == 1 and (missed := [c.name for c in callees if c.name not in entered]):
            raise Wrong(f"{f.name} does not call {', '.join(missed)}")
        return found


def mention(code: str, start: int, end: int) -> int:
    """The position at which a mentioned name counts: after the arguments if it is called."""
    m = re.match(r"[\s)]*\(", code[end:])
    return functions.closing(code, end + m.end() - 1) if m else start


def thread_events(code: str, names: dict[str, str], plain: set[str]) -> list[Event]:
    """The events of a litmus test's thread that must be in the code, without orderings in plain."""
    found: list[Event] = []
    pattern = re.compile(rf"{ACCESS_C.pattern}|{FENCE_C.pattern}"
                         rf"|\b({'|'.join(WORDS)})\s*\(\s*(\w*)\s*\)")
    for m in pattern.finditer(code):
        primitive = m.group(1) or m.group(2) or m.group(3)
        if m.group(3):
            events = [Event("word", primitive)]
        elif m.group(2):
            events = [Event("fence", "", FENCES[primitive])]
        else:
            end = functions.closing(code, m.end() - 1)
            kind, order = access_c(primitive)
            name = last_identifier(first_argument(code, m.end(), end))
            events = list(store_mb(kind, name, "" if primitive in plain else order, 0))
        for e in events:
            word = names.get(primitive) or names.get(e.name, e.name)
            if word == "elsewhere":
                if e.order and names.get(primitive) != word:
                    raise Wrong(f"{primitive} of {e.name} is elsewhere, and nothing said of it")
                continue
            if primitive in names or (e.kind not in ("fence", "word") and not is_variable(word)):
                e = Event("word", word)
            elif e.kind not in ("fence", "word"):
                e = Event(e.kind, word, e.order)
            # One call matches successive events.
            if not (found and e.kind == "word" and found[-1] == e):
                found.append(e)
    return found


def match(wanted: list[Event], have: list[Event]) -> list[Event]:
    """The events in have that match the wanted ones, in order. Raises Wrong if one is missing."""
    found: list[Event] = []
    at = 0
    for w in wanted:
        while at < len(have) and not have[at].does(w):
            at += 1
        if at == len(have):
            after = f" after {found[-1]}" if found else ""
            seen = "; ".join(map(str, have)) or "nothing"
            raise Wrong(f"no {w}{after}; what is there: {seen}")
        # A primitive mentions what it accesses.
        if have[at].kind == "access" and at + 1 < len(have) and have[at + 1].does(w):
            at += 1
        found.append(have[at])
        at += 1
    return found


def read_tie(thread: int, text: str, sources: Sources) -> Tie:
    tie = Tie(thread)
    text = re.sub(r"\n \*\s+", " ", text)
    if text.startswith(NO_CODE):
        tie.no_code = text[len(NO_CODE):]
        return tie
    head, _, tail = text.partition("; ")
    if m := re.fullmatch(r"(.*) as (\S+)", head):
        head, tie.symbol = m.groups()
    for part in head.split(" + "):
        tie.chains.append([read_function(f.strip(), sources) for f in part.split(" > ")])
    for rule in re.split(r", +(?=\w+ is )", tail) if tail else ():
        name, found, word = rule.partition(" is ")
        if not found:
            raise Wrong(f"\"{rule}\" is not NAME is WORD")
        tie.names[name] = word
    return tie


def read_function(text: str, sources: Sources) -> Function:
    path, _, name = re.sub(r"(\.(?:rs|c)):", r"\1 ", text).rpartition(" ")
    found = sources.functions(name, path)
    if not found:
        raise Wrong(f"there is no function {text}")
    if len({f.path for f in found}) > 1:
        raise Wrong(f"{text} is in {', '.join(sorted({f.path for f in found}))}: say which")
    # The first one of a file: C may have another one after #else.
    return found[0]


def read_ties(text: str, sources: Sources) -> list[Tie]:
    """All such lines of a test."""
    found = []
    for thread, line in LINE.findall(text):
        try:
            found.append(read_tie(int(thread), line, sources))
        except Wrong as e:
            found.append(Tie(int(thread), wrong=f"{line}: {e}"))
    return found


@dataclass
class Tied:
    """A litmus test whose threads stand for code."""

    name: str
    code: dict[int, str]  # of each thread
    plain: set[str]  # orderings that the code need not have
    ties: list[Tie]

    def check(self, tie: Tie) -> list[Event]:
        """The events of the code that a thread stands for. Raises Wrong if one is missing."""
        return check(tie, self.code.get(tie.thread, ""), self.plain)


def read(path: Path, sources: Sources) -> Tied | None:
    """Read a test; None for variants and RISC-V tests, which do not stand for code."""
    text = path.read_text()
    if text.startswith("RISCV") or re.search(r"^ \* Variant of: ", text, re.MULTILINE):
        return None
    superfluous = re.search(r"^ \* Superfluous: (.*)", text, re.MULTILINE)
    return Tied(path.stem, {int(n): code for n, code in THREAD.findall(text)},
                set(superfluous[1].split()) if superfluous else set(), read_ties(text, sources))


def check(tie: Tie, code: str, plain: set[str]) -> list[Event]:
    """The events of the code that the thread stands for. Raises Wrong if one is missing."""
    if tie.wrong:
        raise Wrong(tie.wrong)
    wanted = thread_events(code, tie.names, plain)
    if not any(e.order or e.kind == "word" for e in wanted):
        raise Wrong("no ordering of the thread is in it")
    known = set(re.findall(r"\w+", code))
    if unknown := [n for n in tie.names if n not in known]:
        raise Wrong(f"the thread has no {', '.join(unknown)}")
    return match(wanted, tie.events(set(wanted)))
