# SPDX-License-Identifier: GPL-2.0
"""Computes the figures of "make cycles", and a profile by function.

A figure is a name with its keys, as in "make bench". For each side it has the number of
cycles, the number of these in which all harts were idle, and the number of instructions
that all harts executed.
"""

import bisect
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

from harness.figures import number, problem

MEASURE = re.compile(r"measure (\S+)((?: \S+=\S+)*) (\w+)$")
SAMPLE = re.compile(r"sample (\S+)((?: \S+=\S+)*) ns (\w+) (\d+)$")
SECTION = re.compile(r"section (\S+) (\S+) 0x([0-9a-f]+)$")

# The minimum ratio of a figure: its name, the number of harts, the ratio.
MINIMA = {
    ("ftrace-enable", 1): 2.5, ("ftrace-disable", 1): 3,
    ("ftrace-enable", 4): 14, ("ftrace-disable", 4): 20,
    ("ftrace-enable", 8): 25, ("ftrace-disable", 8): 25,
    ("static-key", 4): 2, ("kprobes-arm", 4): 10, ("kprobes-disarm", 4): 10,
    ("bpf-attach", 4): 2,
    ("bad-access", 1): 1, ("minor-fault", 1): 1, ("hotplug-cycle", 4): 1, ("first-ipi", 4): 1,
}


def keys_of(text: str) -> dict[str, str]:
    return dict(word.split("=", 1) for word in text.split())


@dataclass
class Region:
    """One measured operation."""

    name: str
    keys: dict[str, str]
    side: str
    cycles: float
    idle: float = 0
    instructions: int | None = None
    # Of the hart that ran the operation: function -> cycles and instructions, by sampling.
    profile: dict[str, tuple[int, int]] = field(default_factory=dict)

    def json(self) -> dict[str, Any]:
        return asdict(self)


def from_json(data: dict[str, Any]) -> Region:
    profile = {name: (spent[0], spent[1]) for name, spent in data["profile"].items()}
    return Region(**{**data, "profile": profile})


def region_of(said: str) -> Region | None:
    """The region that a guest announces: "measure NAME KEYS SIDE"."""
    if not (m := MEASURE.match(said)):
        return None
    return Region(m.group(1), keys_of(m.group(2)), m.group(3), 0)


def sampled(said: str, mhz: int) -> Region | None:
    """A measurement by the guest itself: "sample NAME KEYS ns SIDE NANOSECONDS"."""
    if not (m := SAMPLE.match(said)):
        return None
    return Region(m.group(1), keys_of(m.group(2)), m.group(3), int(m.group(4)) * mhz / 1000)


@dataclass
class Figure:
    name: str
    harts: int
    keys: dict[str, str]
    sides: dict[str, list[Region]] = field(default_factory=dict)

    def busy(self, side: str) -> float:
        """Cycles in which at least one hart was not idle."""
        return median(r.cycles - r.idle for r in self.sides[side])

    @property
    def ratio(self) -> float | None:
        if not {"c", "rust"} <= self.sides.keys() or not self.busy("rust"):
            return None
        return self.busy("c") / self.busy("rust")

    @property
    def minimum(self) -> float | None:
        return MINIMA.get((self.name, self.harts))

    @property
    def problem(self) -> str:
        """Why this figure is unusable or too low; empty if it is neither."""
        return problem(self.ratio, self.minimum)

    def instructions(self, side: str) -> float | None:
        counted = [r.instructions for r in self.sides.get(side, []) if r.instructions is not None]
        return median(counted) if counted else None

    def line(self) -> str:
        words = [f"cycles: {self.name}", f"harts={self.harts}",
                 *(f"{k}={v}" for k, v in self.keys.items())]
        present = [side for side in ("c", "rust") if side in self.sides]
        words += [f"{side}={number(self.busy(side))}" for side in present]
        if self.ratio is not None:
            words.append(f"ratio={self.ratio:.3g}")
        for side in present:
            idle = median(r.idle for r in self.sides[side])
            counted = self.instructions(side)
            if counted is not None:
                words += [f"idle_{side}={number(idle)}", f"instructions_{side}={number(counted)}"]
        return " ".join(words)

    def json(self) -> dict[str, Any]:
        return {"name": self.name, "harts": self.harts, **self.keys,
                "cycles": {side: self.busy(side) for side in self.sides},
                "instructions": {side: self.instructions(side) for side in self.sides},
                "ratio": self.ratio, "minimum": self.minimum, "problem": self.problem,
                "regions": {side: [r.json() for r in regions]
                            for side, regions in self.sides.items()}}


def figures(regions: Iterable[Region], harts: int) -> list[Figure]:
    found: dict[tuple[str, str], Figure] = {}
    for r in regions:
        figure = found.setdefault((r.name, str(r.keys)), Figure(r.name, harts, r.keys))
        figure.sides.setdefault(r.side, []).append(r)
    return list(found.values())


def missing(regions: list[Region], wanted: list[str]) -> list[str]:
    """Descriptions of the wanted figures of which a side is missing."""
    have = {(r.name, r.side) for r in regions}
    return [f"{name} was not measured: {side}" for name in wanted for side in ("c", "rust")
            if (name, side) not in have]


def flat(found: list[Figure]) -> list[str]:
    """The ratios of Rust's cycles on several harts to those on one hart."""
    lines = []
    for one in (f for f in found if f.harts == 1 and "rust" in f.sides):
        more = [f for f in found if f.name == one.name and f.harts > 1 and "rust" in f.sides]
        lines += [f"cycles: {f.name}-flatness harts={f.harts} "
                  f"ratio={f.busy('rust') / one.busy('rust'):.3g}" for f in more]
    return lines


def table(found: list[Figure]) -> str:
    lines = [("| figure | harts | C | Rust | ratio | at least "
              "| instructions C / Rust | idle C / Rust |"), "|---|---|---|---|---|---|---|---|"]
    for f in found:
        sides = [number(f.busy(side)) if side in f.sides else "–" for side in ("c", "rust")]
        counted = [f.instructions(side) for side in ("c", "rust")]
        idle = [median(r.idle for r in f.sides[side]) if side in f.sides else 0
                for side in ("c", "rust")]
        ratio = "–" if f.ratio is None else f"{f.ratio:.3g}"
        least = "–" if f.minimum is None else f"{f.minimum:g}"
        lines.append(
            f"| {' '.join([f.name, *(f'{k}={v}' for k, v in f.keys.items())])} | {f.harts} | "
            f"{sides[0]} | {sides[1]} | {ratio} | {least} | "
            + ("– | – |" if None in counted else
               f"{number(counted[0] or 0)} / {number(counted[1] or 0)} | "
               f"{number(idle[0])} / {number(idle[1])} |"))
    return "\n".join(lines) + "\n"


def profile(figure: Figure, side: str, least: float = 0.005) -> str:
    """A table of the functions in which the hart that ran the operation spent most cycles."""
    cycles: Counter[str] = Counter()
    instructions: Counter[str] = Counter()
    for r in figure.sides[side]:
        for name, (spent, counted) in r.profile.items():
            cycles[name] += spent
            instructions[name] += counted
    total, counted_total = sum(cycles.values()), sum(instructions.values())
    if not total:
        return ""
    sites = int(next((figure.keys[k] for k in ("sites", "probes") if k in figure.keys), "0"))
    times = len(figure.sides[side])
    each = " a site" if sites else ""
    harts = f"{figure.harts} hart{'s' if figure.harts > 1 else ''}"
    lines = [(f"{figure.name}, {harts}, {side}: {number(total / times)} cycles, "
              f"{number(counted_total / times)} instructions"),
             "", f"| function | share | cycles{each} | instructions{each} |", "|---|---|---|---|"]
    for name, spent in cycles.most_common():
        if spent < least * total:
            break
        shown = [n / times / (sites or 1) for n in (spent, instructions[name])]
        share = 100 * spent / total
        lines.append(f"| `{name}` | {share:.1f} % | {shown[0]:.4g} | {shown[1]:.4g} |")
    return "\n".join(lines) + "\n"


class Symbols:
    """The functions of the kernel and its modules, by address."""

    def __init__(self) -> None:
        self.at: dict[int, str] = {}
        self.sorted: list[int] = []
        self.text = (0, 0)

    def kernel(self, system_map: str) -> None:
        """Read a System.map."""
        for line in system_map.splitlines():
            address, kind, name = line.split()
            if kind in "tT" and not name.startswith((".L", "$", "__pi_$")):
                self.at[int(address, 16)] = name
            if name == "_start":
                self.text = (int(address, 16), self.text[1])
            elif name == "_end":
                self.text = (self.text[0], int(address, 16))
        self.sorted = []

    def module(self, module: str, sections: dict[str, int], symbols: str) -> None:
        """Read the output of "nm --format=sysv" for a module whose sections are there."""
        stale = f" [{module}]"
        self.at = {at: name for at, name in self.at.items() if not name.endswith(stale)}
        for line in symbols.splitlines():
            fields = [f.strip() for f in line.split("|")]
            # Names in Rust may contain "|".
            if len(fields) >= 7 and fields[-4] == "FUNC" and fields[-1] in sections:
                address = sections[fields[-1]] + int(fields[-6], 16)
                self.at[address] = "|".join(fields[:-6]) + stale
        self.sorted = []

    def range(self, function: str) -> range:
        """The addresses of a function of the kernel."""
        begin = next(at for at, name in self.at.items() if name == function)
        return range(begin, min(at for at in self.at if at > begin))

    def name(self, pc: int) -> str:
        if pc >> 63 == 0:
            return "(OpenSBI)" if pc >= 1 << 31 and pc < (1 << 31) + (1 << 21) else "(user)"
        if not self.sorted:
            self.sorted = sorted(self.at)
        at = bisect.bisect_right(self.sorted, pc) - 1
        # BPF programs and trampolines, and addresses that are far from every symbol.
        if at < 0 or (pc - self.sorted[at] > 1 << 16):
            return "(elsewhere)"
        return self.at[self.sorted[at]]
