# SPDX-License-Identifier: GPL-2.0
"""The results of tests, and their summary, the last line of a run."""

from dataclasses import dataclass, field


@dataclass
class Result:
    name: str
    status: str  # pass, fail, skip
    detail: str = ""


@dataclass
class Results:
    all: list[Result] = field(default_factory=list)

    def add(self, name: str, ok: bool, detail: str = "") -> None:
        self.all.append(Result(name, "pass" if ok else "fail", detail))

    def extend(self, other: "Results") -> None:
        self.all += other.all

    def count(self, status: str) -> int:
        return sum(r.status == status for r in self.all)

    def failures(self) -> list[Result]:
        return [r for r in self.all if r.status == "fail"]

    def short(self) -> str:
        text = f"{self.count('pass')} passed, {self.count('fail')} failed"
        if self.count("skip"):
            text += f", {self.count('skip')} skipped"
        return text

    def report(self) -> int:
        """Print the summary, and return the exit status."""
        print(self.short(), flush=True)
        # A run without tests is a failure.
        return 0 if self.count("pass") and not self.count("fail") else 1


def skipped(title: str, name: str, reason: str) -> Results:
    """Print why a part of the suite is not run, and return its result."""
    print(f"    {title}: skipped: {reason}", flush=True)
    return Results([Result(name, "skip", reason)])
