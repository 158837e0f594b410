# SPDX-License-Identifier: GPL-2.0
"""Runs the litmus tests of instruction fetch, rust/tests/litmus/fetch_litmus.c, in a guest."""

import re
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from harness import guest, libc, matrix, paths, spike, suite
from harness import kernel as kernels
from harness.guest import Boot
from harness.progress import Step, StepFailed
from harness.results import Result, Results, skipped

SCRIPT = paths.SCRIPTS / "guest/fetch_litmus.sh"
SOURCE = Path("rust/tests/litmus/fetch_litmus.c")

# All tests of the program, with all their flushes: what a guest's output must have.
FLUSHES = {
    "SM": "none reader syscall syscall-local membarrier",
    "SM.migrate": "writer prctl syscall",
    "MP.RF": "none writer reader syscall syscall-local membarrier",
    "MP.RF.po": "reader",
    "CoRF": "none reader",
    "CoFR": "none",
    "CoFF": "none reader",
    "MP.FF": "none reader syscall membarrier",
    "MP.F+load": "none syscall membarrier",
    "MP.FR": "none syscall membarrier",
    "SB.FF": "none reader",
    "IRIW.FF": "none reader",
    **{f"W+F.{name}": "none reader" for name in ("lui", "jal-nop", "jalr-nop", "split", "pair",
                                                 "cross4", "cross16", "cross64", "cross4096")},
    "W+F.split.FF": "none",
    **{f"BP.cross{size}": "all not-1 not-2 none" for size in (4, 64, 4096)},
    "BP.done": "all not-3",
}
TESTS = {f"{test}+{flush}" for test, flushes in FLUSHES.items() for flush in flushes.split()}

LINE = re.compile(r"litmus: (\S+) flush=(\S+) harts=(\d+) (.*)$")
VERDICT = re.compile(r"verdict: (\d+) tests ran, (\d+) were skipped, (\d+) told nothing, "
                     r"(\d+) had a forbidden outcome")
COUNTS = ("rounds", "early", "expected", "seen", "other")


@dataclass
class Outcome:
    """A line of the program: a test with a flush."""

    test: str
    flush: str
    harts: int
    counts: dict[str, int] = field(default_factory=dict)
    forbidden: bool = False
    # In how many rounds the outcome could have been seen.
    tried: int = 0
    # The reason, if it did not run.
    skipped: str = ""

    @property
    def name(self) -> str:
        return f"{self.test}+{self.flush}"

    @property
    def failed(self) -> bool:
        """Whether the program takes it for a failure."""
        return bool(self.counts and (self.counts["other"]
                                     or (self.forbidden and self.counts["seen"])))

    @property
    def told(self) -> bool:
        """Whether it ran, and tells anything."""
        return bool(self.tried or (self.counts and (self.counts["seen"] or self.counts["other"])))


def parse(lines: list[str]) -> list[Outcome]:
    """The tests in the program's output. Raises ValueError for a line that is none of its."""
    found = []
    for line in lines:
        if not line.startswith("litmus: "):
            continue
        m = LINE.match(line)
        if not m:
            raise ValueError(f"no line of a litmus test: {line}")
        outcome = Outcome(m.group(1), m.group(2), int(m.group(3)))
        if m.group(4).startswith("skipped: "):
            outcome.skipped = m.group(4).removeprefix("skipped: ")
        else:
            words = dict(re.findall(r"(\S+)=(\S+)", m.group(4)))
            if words.get("forbidden") not in ("yes", "no") or not words.keys() >= set(COUNTS):
                raise ValueError(f"not all of a litmus test: {line}")
            outcome.counts = {key: int(words[key]) for key in COUNTS}
            # Older versions of the program do not say it.
            outcome.tried = int(words["tried" if "tried" in words else "expected"])
            outcome.forbidden = words["forbidden"] == "yes"
        found.append(outcome)
    return found


def judge(outcome: Outcome, must_be_seen: bool, deviates: bool = False) -> Result:
    """The result of a test; a test that has shown nothing is skipped.

    deviates: the forbidden outcome is no failure of what is tested, but of the simulator.
    """
    name = f"fetch.{outcome.name}"
    if outcome.skipped:
        # That it cannot run is no reason not to have seen what this machine shows.
        return Result(name, "fail" if must_be_seen else "skip", outcome.skipped)
    numbers = ", ".join(f"{outcome.counts[key]} {key}" for key in COUNTS)
    if outcome.counts["other"]:
        return Result(name, "fail", f"results that nothing explains: {numbers}")
    if outcome.forbidden and outcome.counts["seen"]:
        if deviates:
            return Result(name, "skip", f"this simulator deviates: {numbers}")
        return Result(name, "fail", f"a forbidden outcome: {numbers}")
    if must_be_seen and not outcome.counts["seen"]:
        return Result(name, "fail", f"not seen, so that this test can see nothing: {numbers}")
    if not outcome.told:
        return Result(name, "skip", f"nothing: {numbers}")
    return Result(name, "pass", numbers)


def listed(outcomes: list[Outcome]) -> str:
    """How the tests in the output differ from TESTS, or nothing."""
    names = [o.name for o in outcomes]
    parts = {"not there": TESTS - set(names), "not in TESTS": set(names) - TESTS,
             "there twice": {name for name in names if names.count(name) > 1}}
    return "; ".join(f"{what}: {', '.join(sorted(found))}" for what, found in parts.items() if found)


def verdict(outcomes: list[Outcome], lines: list[str]) -> str:
    """How the program's verdict differs from its lines, or nothing."""
    said = next((m for line in lines if (m := VERDICT.match(line))), None)
    if not said:
        return "there is none"
    ran = [o for o in outcomes if o.counts]
    numbers = (len(ran), len(outcomes) - len(ran), sum(not o.told for o in ran),
               sum(o.failed for o in ran))
    if tuple(map(int, said.groups())) == numbers:
        return ""
    return f"{said.group(0)}; in its lines: {', '.join(map(str, numbers))}"


def results(boot: Boot, row: matrix.Fetch) -> Results:
    """A result for each test, and for what must have been seen in this guest."""
    found = Results()
    lines = guest.sent(boot.lines, "fetch")
    if lines is None:
        found.add("fetch", False, "its output is not complete")
        return found
    try:
        outcomes = parse(lines)
    except ValueError as e:
        found.add("fetch", False, str(e))
        return found
    must = row.must_be_seen
    found.all += [judge(o, o.name in must, o.name in row.deviates) for o in outcomes]
    wrong = listed(outcomes) or ("" if any(o.counts for o in outcomes) else "none of them ran")
    found.add("fetch.all tests", not wrong, wrong)
    wrong = verdict(outcomes, lines)
    found.add("fetch.verdict", not wrong, wrong)
    status = next((int(m.group(1)) for line in guest.said(boot.lines)
                   if (m := re.match(r"result (\d+)$", line))), None)
    expected = (1 if any(o.failed for o in outcomes) else
                0 if any(o.told for o in outcomes) else 2)
    found.add("fetch.status", status == expected,
              f"status {status}; it said last: {(lines or ['nothing'])[-1]}")
    return found


def build(tools: dict[str, str], top: Path = paths.TOP) -> Path:
    """Build the program as anyone would, from the sources in top.

    That of a defect's tree is in a folder beside the tree.
    """
    program = (paths.BUILD if top == paths.TOP else top.parent) / "programs/fetch_litmus"
    program.parent.mkdir(parents=True, exist_ok=True)
    r = subprocess.run([*libc.compiler(tools), "-Wall", "-Wextra", "-Werror", "-pthread",
                        "-o", program, top / SOURCE],
                       capture_output=True, text=True, check=False)
    if r.returncode:
        raise StepFailed(f"{top / SOURCE} does not compile:\n{r.stderr[-3000:]}")
    return program


def options(row: matrix.Fetch, tools: dict[str, str]) -> str:
    """The options of the program in this guest."""
    words = [f"--rounds={row.parameters['rounds']}", f"--seconds={row.parameters['seconds']}"]
    emulated = {} if row.machine.spike else matrix.emulated(tools["QEMU_VERSION"])
    if emulated.get("atomic_fetch") == 0:
        words.append("--no-ziccif")
    return " ".join(words)


def boot_row(row: matrix.Fetch, tools: dict[str, str], top: Path = paths.TOP,
             name: str = "") -> Results:
    """Boot a guest that runs the program of the sources in top. Its log has the row's name or name."""
    if row.machine.spike and (reason := spike.unable(tools)):
        return skipped(row.title, row.name, reason)
    found = Results()
    kernel = kernels.build(row.flavour, row.hooked, tools)
    program = build(tools, top)
    step = Step(f"litmus tests of instruction fetch, {row.title}")
    boot = suite.boot(kernel, tools, {}, name or row.name, row.machine, row.limits, step, script=SCRIPT,
                      load=(), settings={"OPTIONS": options(row, tools)},
                      files={"programs/fetch_litmus": program})
    found.extend(results(boot, row))
    found.extend(suite.ending(boot))
    step.done(found.short())
    return found
