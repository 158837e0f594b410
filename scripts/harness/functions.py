# SPDX-License-Identifier: GPL-2.0
"""Finds the functions of a source file, in Rust or C."""

import re
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass

OPEN, CLOSE = "([{", ")]}"

RUST = re.compile(r"""//[^\n]*|/\*.*?\*/|b?"(?:\\.|[^"\\])*"|b?'(?:\\.|[^'\\\n])'""", re.DOTALL)
C = re.compile(r"""//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])+'""", re.DOTALL)
FN = re.compile(r"\bfn\s+(\w+)")
BLOCK = re.compile(r"^[ \t]*(?:(?:pub(?:\([^)]*\))?|unsafe)\s+)*(impl|trait)\b([^{;]*)\{", re.MULTILINE)


@dataclass(frozen=True)
class Function:
    """A function: its signature and body. first is the number of its first line, from 0."""

    path: str
    name: str  # of a method in Rust: Type::method
    text: str  # without comments, and without strings but those of asm
    first: int
    last: int


def blank(text: str, tokens: re.Pattern[str]) -> str:
    """Replace comments and strings with spaces, except for strings that are a fence."""
    def spaces(m: re.Match[str]) -> str:
        found = m.group(0)
        return found if re.match(r'"s?fence[ .]', found) else re.sub(r"[^\n]", " ", found)
    return tokens.sub(spaces, text)


def closing(text: str, start: int) -> int:
    """The position of the bracket that closes the one at start, or the end of the text."""
    depth = 0
    for at in range(start, len(text)):
        depth += (text[at] in OPEN) - (text[at] in CLOSE)
        if not depth:
            return at
    return len(text)


def rust_blocks(code: str) -> list[tuple[int, int, str]]:
    """Each impl and trait: where it begins and ends, and its type."""
    found = []
    for m in BLOCK.finditer(code):
        head = re.sub(r"\bwhere\b.*", "", m.group(2), flags=re.DOTALL)
        # Not the generics of the impl itself, nor "for<'a>".
        depth = 0
        for at, c in enumerate(head):
            depth += (c == "<") - (c == ">" and head[at - 1] != "-")
            if not depth and not c.isspace():
                head = head[at + 1:] if c == ">" else head[at:]
                break
        of = re.split(r"\bfor\s+(?!<)", head)[-1]
        name = re.match(r"[\s&]*(?:'\w+\s+)?(?:mut\s+)?(?:\w+::)*(\w+)", of)
        if name:
            found.append((m.start(), closing(code, m.end() - 1), name.group(1)))
    return found


def rust_spans(code: str) -> list[tuple[str, int, int]]:
    blocks = rust_blocks(code)
    found = []
    for m in FN.finditer(code):
        at = m.end()
        # The body follows the signature; without a body, it is a declaration.
        while at < len(code) and code[at] not in "{;":
            at = closing(code, at) if code[at] in "([" else at
            at += 1
        if at >= len(code) or code[at] == ";":
            continue
        around = [name for start, end, name in blocks if start < m.start() < end]
        name = "::".join([*around[-1:], m.group(1)])
        found.append((name, m.start(), closing(code, at) + 1))
    return found


def c_spans(code: str) -> list[tuple[str, int, int]]:
    """In kernel style, the braces of a body, and no others, are alone in the first column."""
    found = []
    for m in re.finditer(r"^\{\n.*?^\}", code, re.MULTILINE | re.DOTALL):
        # The lines above, up to one that cannot be a part of the signature.
        head = re.split(r"[;}]|\n\n|^#.*$", code[:m.start()], flags=re.MULTILINE)[-1]
        name = re.search(r"(\w+)\s*\(", head)
        if name:
            found.append((name.group(1), m.start() - len(head.lstrip()), m.end()))
    return found


def find(path: str, text: str) -> list[Function]:
    """All functions of a file."""
    rust = path.endswith(".rs")
    code = blank(text, RUST if rust else C)
    ends = [m.start() for m in re.finditer("\n", code)]
    spans: Callable[[str], list[tuple[str, int, int]]] = rust_spans if rust else c_spans
    return [Function(path, name, code[start:end], bisect_right(ends, start - 1),
                     bisect_right(ends, end - 1)) for name, start, end in spans(code)]
