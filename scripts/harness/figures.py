# SPDX-License-Identifier: GPL-2.0
"""Computes the figures of "make bench" from the samples that guests print.

A guest's script prints one line for each sample,

    sample NAME [KEY=VALUE ...] UNIT SIDE NUMBER

such as "sample ftrace-enable sites=12293 ms c 2701.5", alternating between the two
sides. SIDE is "rust", or what Rust is compared with, usually "c". A figure is a NAME
with its keys. Its ratio is the median of the other side divided by that of Rust, so
that more than 1 is better.
"""

import re
from dataclasses import dataclass, field
from statistics import median
from typing import Any

SAMPLE = re.compile(r"sample (\S+)((?: \S+=\S+)*) (\w+) (\w+) ([0-9.]+)$")


def problem(ratio: float | None, minimum: float | None, maximum: float | None = None) -> str:
    """Why a ratio is unusable or out of its bounds; empty if it is neither."""
    if ratio is None:
        return "there are not two sides to compare"
    if minimum is not None and ratio < minimum:
        return f"ratio below {minimum:g}"
    if maximum is not None and ratio > maximum:
        return f"ratio above {maximum:g}"
    return ""


@dataclass
class Figure:
    name: str
    keys: dict[str, Any]
    unit: str
    sides: dict[str, list[float]] = field(default_factory=dict)
    minimum: float | None = None
    # For a ratio that is not computed from two sides; lower is better.
    value: float | None = None
    maximum: float | None = None

    @property
    def base(self) -> str:
        """The side that Rust is compared with."""
        others = [side for side in self.sides if side != "rust"]
        return others[0] if len(others) == 1 else ""

    @property
    def ratio(self) -> float | None:
        if self.value is not None:
            return self.value
        if not self.base or "rust" not in self.sides:
            return None
        rust = median(self.sides["rust"])
        return median(self.sides[self.base]) / rust if rust else None

    @property
    def problem(self) -> str:
        """Why this figure is unusable; empty if it is usable."""
        return problem(self.ratio, self.minimum, self.maximum)

    def line(self) -> str:
        words = [f"bench: {self.name}"] + [f"{k}={v}" for k, v in self.keys.items()]
        words += [f"{side}_{self.unit}={number(median(self.sides[side]))}"
                  for side in (self.base, "rust") if side in self.sides]
        if self.sides:
            words.append(f"samples={min(map(len, self.sides.values()))}")
        if self.ratio is not None:
            words.append(f"ratio={self.ratio:.3g}" if self.ratio < 100 else
                         f"ratio={self.ratio:.0f}")
        return " ".join(words)

    def json(self) -> dict[str, Any]:
        return {"name": self.name, **self.keys, "unit": self.unit, "samples": self.sides,
                "medians": {side: median(s) for side, s in self.sides.items()},
                "ratio": self.ratio, "minimum": self.minimum, "maximum": self.maximum,
                "problem": self.problem}


def number(value: float) -> str:
    return f"{value:.0f}" if value >= 1000 else f"{value:.4g}"


def parse(said: list[str], machine: dict[str, Any]) -> list[Figure]:
    """The figures in a guest's output; machine has the keys that identify the guest."""
    found: dict[tuple[str, str], Figure] = {}
    for line in said:
        if m := SAMPLE.match(line):
            name, keys, unit, side, value = m.groups()
            figure = found.setdefault((name, keys), Figure(
                name, {**machine, **dict(k.split("=", 1) for k in keys.split())}, unit))
            figure.sides.setdefault(side, []).append(float(value))
    return list(found.values())


@dataclass
class Wanted:
    """A figure that a guest must produce: its name, its keys, the samples of each side."""

    name: str
    keys: dict[str, Any]
    samples: int

    def __str__(self) -> str:
        return " ".join([self.name, *(f"{k}={v}" for k, v in self.keys.items())])


def missing(found: list[Figure], wanted: list[Wanted]) -> list[str]:
    """Describe the wanted figures that are missing."""
    problems = []
    for w in wanted:
        fitting = [f for f in found if f.name == w.name and w.keys.items() <= f.keys.items()]
        if len(fitting) != 1:
            problems.append(f"{w} was measured {len(fitting)} times, not once")
        problems += [f"{w} has {len(samples)} samples of {side}, not {w.samples}"
                     for f in fitting for side, samples in f.sides.items()
                     if len(samples) != w.samples]
    return problems


def flatness(found: list[Figure], name: str, maximum: float) -> list[Figure]:
    """The ratio of Rust's time on the most harts to that on one hart: lower is better."""
    result = []
    for few in (f for f in found if f.name == name and f.keys["harts"] == 1):
        more = [f for f in found if f.name == name and f.keys["ipi"] == few.keys["ipi"]
                and f.keys["harts"] > 1 and f.keys.get("sites") == few.keys.get("sites")
                and "rust" in f.sides]
        if not more or "rust" not in few.sides:
            continue
        most = max(more, key=lambda f: f.keys["harts"])
        ratio = median(most.sides["rust"]) / median(few.sides["rust"])
        result.append(Figure("ftrace-flatness", {**most.keys, "of": name}, few.unit, value=ratio,
                             maximum=maximum))
    return result
