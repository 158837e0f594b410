#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Run the litmus tests: check their verdicts, their mutations, and that the code matches.

Runs every test in Documentation/litmus-tests/ with herd7, under the kernel's
memory model from the kernel's own tree or, in riscv/, under RISC-V's. A test's
comment has, one per line:

  Result: Never | Sometimes   the verdict of the model
  Variant of: TEST            a changed copy of TEST; sources name TEST
  Fixed: ORDERING ...         not mutated (ORDERING@P0: not in this thread)
  Superfluous: ORDERING ...   mutated, and the verdict must not change
  About: PATH                 sources must name the test if PATH exists
  P0: FUNCTION ...            the code that a thread stands for, see harness/threads.py
  Kernel: TEST ...            riscv/: the tests whose RISC-V code this is
  Published: VERDICT HASH     riscv/: of the identical test in litmus-tests-riscv,
                              or "no" if it is not published there

The functions that a thread stands for must do what the thread does, in the sources and,
where they have symbols, in compiled code (disassembly.py).

Then runs our concurrent types under loom (rust/tests/loom/), and checks the barriers in
compiled code. Ends with "N passed, N failed"; the exit status is 0 only if nothing failed.
"""

import argparse
import functools
import itertools
import os
import re
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import disassembly
from harness import herd, hooked, loom, paths, progress, source, sources, threads, toolchain
from harness.functions import Function
from harness.results import Results
from harness.sources import Sources

TESTS = paths.TOP / "Documentation/litmus-tests"

HEADER = re.compile(r"^ \* ([A-Z][\w ]*): (.+)$", re.MULTILINE)

# The weaker replacements of an ordering. A fence is removed as a whole: the effect of a single
# bit is visible only if the test has such an access.
WEAKER_C = (
    (re.compile(r"\b(smp_mb|smp_wmb|smp_rmb|barrier)\(\);"), ("",)),
    (re.compile(r"\b(smp_store_mb)\((\*\w+, \w+)\)"), (r"WRITE_ONCE(\2)",)),
    (re.compile(r"\b(smp_store_release)\((\w+, \w+)\)"), (r"WRITE_ONCE(*\2)",)),
    (re.compile(r"\b(rcu_assign_pointer)\((\*\w+, \w+)\)"), (r"WRITE_ONCE(\2)",)),
    (re.compile(r"\b(smp_load_acquire)\((\w+)\)"), (r"READ_ONCE(*\2)",)),
    (re.compile(r"\b(atomic_read_acquire)\("), ("atomic_read(",)),
    (re.compile(r"\b((\w*xchg|atomic_(?:\w+_return|fetch_[a-z]+)))\("),
     (r"\2_relaxed(", r"\2_acquire(", r"\2_release(")),
    (re.compile(r"\b((\w*xchg|atomic_(?:\w+_return|fetch_[a-z]+))_(?:acquire|release))\("),
     (r"\2_relaxed(",)),
    (re.compile(r"\b(synchronize_rcu)\(\);"), ("", "smp_mb();")),
    (re.compile(r"\b(rcu_read_lock)\(\);(.*?)\brcu_read_unlock\(\);", re.DOTALL), (r"\2",)),
    (re.compile(r"\b(spin_lock)\((\w+)\);(.*?)\bspin_unlock\(\2\);", re.DOTALL), (r"\3",)),
)
WEAKER_RISCV = (
    (re.compile(r"\b(fence [rw]+,[rw]+|fence\.i)"), ("nop",)),
    (re.compile(r"\b(amo\w+\.[wd])\.aqrl"), (r"\1", r"\1.aq", r"\1.rl")),
    (re.compile(r"\b(amo\w+\.[wd])\.(?:aq|rl)\b"), (r"\1",)),
)

# An ordering in code from which comments and strings, except those of asm, were removed.
ORDERING_RUST = re.compile(
    r"(?<!fn )\b(?:smp_mb|smp_store_mb|dma_mb|mb|barrier)\(\w*|\bsynchronize_rcu\w*\("
    r"|(?:^|[(,]) *(?:\w+::)*(?:Acquire|Release|Full)\b|\"fence[ .][^\"]*")
ORDERING_C = re.compile(
    r"\b(?!rust_riscv_)\w+_(?:acquire|release)\(|\b(?:(?:smp|dma)_)?(?:mb|rmb|wmb|store_mb)\("
    r"|\bRISCV_FENCE\([^)]*|\batomic\w*_(?:inc|dec|add|sub)_return\(|\bx?chg\("
    r"|\brcu_assign_pointer\(|\bsynchronize_rcu\w*\(|\bkick_all_cpus_sync\(")
# For an ordering in the sources: a test that it names must weaken an ordering of the second
# pattern. The first match counts. A full barrier may stand for either half.
FULL = r"smp_mb|smp_store_mb|atomic_\w+_return$|atomic_fetch_[a-z]+$|xchg$"
ANSWERS = tuple((re.compile(a), re.compile(b)) for a, b in (
    (r"synchronize_rcu|kick_all_cpus_sync", "synchronize_rcu"),
    (r"assign_pointer", "rcu_assign_pointer|smp_store_release"),
    (r"\bbarrier", "barrier"),
    (r"Read|rmb", "smp_rmb|acquire"),
    (r"Write|wmb|fence w|fence ow|RISCV_FENCE\([io]?w", "smp_wmb|release"),
    (r"fence\.i", "smp_rmb|acquire"),
    (r"Acquire|_acquire", f"acquire|{FULL}"),
    (r"Release|_release", f"release|{FULL}"),
    (r"", FULL),
))
NAMES = re.compile(r"litmus: *([\w+.-]+(?:, *[\w+.-]+)*)")
# The comment markers of a line.
MARKS = re.compile(r"^\s*(?://[/!]?|/?\*+(?!/))|\*+/\s*$")

# Runs herd7 on the test in a file.
Run = Callable[[Path], herd.Verdict]


class Test:
    def __init__(self, path: Path):
        self.path = path
        self.name = path.stem
        self.text = path.read_text()
        self.riscv = self.text.startswith("RISCV")
        self.header: dict[str, str] = {k: v.strip() for k, v in HEADER.findall(self.text)}
        self.result = self.header.get("Result", "")
        self.code_at = self.text.index("*)")

    def words(self, key: str) -> list[str]:
        return self.header.get(key, "").split()

    def mutations(self) -> Iterator[tuple[str, str, str]]:
        """Weaken one ordering at a time: its name, the change, and the text of the new test."""
        for pattern, weaker in WEAKER_RISCV if self.riscv else WEAKER_C:
            for m in pattern.finditer(self.text, self.code_at):
                ordering = m.group(1)
                thread = f"P{len(re.findall(r'^P[0-9]+', self.text[:m.start()], re.MULTILINE)) - 1}"
                line = self.text.count("\n", 0, m.start()) + 1
                if {ordering, f"{ordering}@{thread}"} & set(self.words("Fixed")):
                    continue
                for w in weaker:
                    new = m.expand(w)
                    text = self.text[:m.start()] + new + self.text[m.end():]
                    was, new = (" ".join(t.split()) or "nothing" for t in (m.group(0), new))
                    yield ordering, f"line {line}, {was} -> {new}", text

    def orderings(self) -> set[str]:
        """The orderings that are weakened, and a compiler barrier, which no model has."""
        found = {ordering for ordering, _, _ in self.mutations()}
        return found | ({"barrier"} & set(self.words("Fixed")))


def check_headers(tests: dict[str, Test], results: Results) -> None:
    for t in tests.values():
        wrong = []
        title = t.text.split("\n", 1)[0].split(" ", 1)[-1]
        if title != t.name:
            wrong.append(f"its first line calls it {title}")
        if t.result not in ("Never", "Sometimes"):
            wrong.append("its comment has no Result: Never or Sometimes")
        if "SPDX-License-Identifier" not in t.text:
            wrong.append("no licence")
        for key in ("Variant of", "Kernel"):
            wrong += [f"{key}: {n} does not exist" for n in t.words(key) if n not in tests]
        if t.riscv and "Kernel" not in t.header and "Variant of" not in t.header:
            wrong.append("its comment has neither Kernel: nor Variant of:")
        if t.riscv and not re.fullmatch(r"no|(Never|Sometimes) \w{32}", t.header.get("Published", "")):
            wrong.append("its comment has no Published:, a verdict and a hash, or no")
        if wrong:
            results.add(f"{t.name}: header", False, "; ".join(wrong))


def check_verdict(t: Test, run: Run) -> Results:
    results = Results()
    verdict = run(t.path)
    results.add(f"{t.name}: {t.result}", verdict.says == t.result, f"herd7 says {verdict.says}")
    if published := t.words("Published")[:2]:
        says, digest = published if published != ["no"] else ("", "")
        if says:
            results.add(f"{t.name}: as published", (says, digest) == (verdict.says, verdict.digest),
                        f"published: {says} {digest}; here: {verdict.says} {verdict.digest}")
    return results


def check_mutations(t: Test, run: Run, folder: Path) -> Results:
    """Mutate the tests whose result is Never: for others a mutation changes nothing."""
    results = Results()
    if t.result != "Never":
        return results
    count = 0
    for ordering, what, text in t.mutations():
        count += 1
        mutated = folder / f"{t.name}-{count}.litmus"
        mutated.write_text(text)
        verdict = run(mutated)
        expected = "Never" if ordering in t.words("Superfluous") else "Sometimes"
        results.add(f"{t.name}: {what}", verdict.says == expected,
                    f"herd7 says {verdict.says} where {expected} should be")
    if not count and "Fixed" not in t.header:
        results.add(f"{t.name}: mutations", False, "no ordering in it to weaken")
    return results


def check_models(found: list[Test], run: Run) -> Results:
    """Run herd7 on every test and every mutation of it, on all processors."""
    results = Results()
    with tempfile.TemporaryDirectory() as name, ThreadPoolExecutor(os.cpu_count()) as pool:
        folder = Path(name)
        for more in pool.map(lambda t: (check_verdict(t, run), check_mutations(t, run, folder)),
                             found):
            for r in more:
                results.extend(r)
    return results


# A line within a comment in kernel style: "\t * text". Code has no space after the asterisk.
COMMENT_LINE = re.compile(r"\s*\*(\s|/|$)")


def code_lines(lines: list[str], suffix: str) -> Iterator[tuple[int, str]]:
    """Line numbers and lines, without comments and Rust's use declarations."""
    in_use = in_comment = False
    for number, line in enumerate(lines):
        code = re.sub(r"//.*", "", line)
        if suffix in (".c", ".h"):
            code = re.sub(r"/\*.*?\*/", "", code)
            # A hunk, which follows an empty line, may begin or end within a comment.
            in_comment = bool(line) and (in_comment or bool(COMMENT_LINE.match(line)))
            if in_comment:
                in_comment = "*/" not in code
                code = code.split("*/", 1)[1] if not in_comment else ""
            elif "/*" in code:
                in_comment = True
                code = code.split("/*", 1)[0]
        elif in_use or re.match(r"\s*(pub(\(\w+\))? )?use\b", code):
            in_use = ";" not in code
            continue
        yield number, code


def added_lines(text: str) -> tuple[list[str], set[int]]:
    """The code after a patch, and the numbers of the lines that it adds."""
    lines: list[str] = []
    added: set[int] = set()
    inside = False
    for line in text.splitlines():
        inside = line.startswith("@@") or (inside and line[:1] in ("", " ", "+", "-"))
        if not inside or line.startswith("-"):
            continue
        if line.startswith("+"):
            added.add(len(lines))
        lines.append("" if line.startswith("@@") else line[1:])
    return lines, added


def names_in(lines: list[str]) -> list[str]:
    """The litmus tests that comments in these lines name. A list may span several lines."""
    text = " ".join(MARKS.sub("", line).strip() for line in lines)
    return [name for m in NAMES.finditer(text) for name in re.split(r", *", m.group(1).rstrip("."))]


def named_above(lines: list[str], number: int) -> list[str]:
    """The litmus tests that the comment at or above a line names, within its paragraph."""
    start = number
    while start > max(0, number - 20) and lines[start - 1].strip():
        start -= 1
    return names_in(lines[start:number + 1])


def paragraphs(lines: list[str]) -> Iterator[tuple[int, list[str]]]:
    """Split into groups of lines without an empty line, with the number of the first line."""
    for has_text, group in itertools.groupby(enumerate(lines), lambda line: bool(line[1].strip())):
        if has_text:
            numbered = list(group)
            yield numbered[0][0], [line for _, line in numbered]


def orderings(path: Path) -> tuple[list[str], list[tuple[int, str]]]:
    """Each ordering in a file, with the number and the text of its line; and the file's lines."""
    text = path.read_text()
    added = None
    if path.suffix == ".patch":
        lines, added = added_lines(text)
        suffix = ".c"
    else:
        lines, suffix = text.splitlines(), path.suffix
    pattern = ORDERING_RUST if suffix == ".rs" else ORDERING_C
    found = [(number, m.group(0).strip("(, ")) for number, code in code_lines(lines, suffix)
             if added is None or number in added for m in pattern.finditer(code)]
    return lines, found


def check_sources(tests: dict[str, Test], results: Results) -> None:
    named = set()
    for where, path in sources.files():
        lines, found = orderings(path)
        for number, paragraph in paragraphs(lines):
            for name in names_in(paragraph):
                named.add(name)
                if name not in tests:
                    results.add(f"{where}:{number + 1}", False, f"no litmus test {name}")
        for number, ordering in found:
            what = f"{where}:{number + 1}: {ordering}"
            names = [n for n in named_above(lines, number) if n in tests]
            if not names:
                results.add(what, False,
                            "an ordering that names no litmus test (`litmus: NAME` above it)")
                continue
            answer = next(b for a, b in ANSWERS if a.search(ordering))
            results.add(what, any(answer.search(o) for n in names for o in tests[n].orderings()),
                        f"no such ordering is weakened in {', '.join(names)}")
    for t in tests.values():
        about = t.header.get("About")
        if not t.riscv and "Variant of" not in t.header and \
           (not about or (paths.TOP / about).exists()):
            results.add(f"{t.name}: named in the sources", t.name in named,
                        "no ordering in the sources names it")


def function_at(where: str, lines: list[str], number: int, src: Sources) -> Function | None:
    """The function that contains a line, or that begins in its paragraph."""
    while number < len(lines) and lines[number].strip():
        if found := src.around(where, number):
            return found
        number += 1
    return None


def functions_named(where: str, path: Path, src: Sources) -> Iterator[tuple[str, Function]]:
    """Each litmus test that a comment names, and the function that contains the comment."""
    if path.suffix != ".patch":
        lines = path.read_text().splitlines()
        for number, line in enumerate(lines):
            if "litmus:" in line and (f := function_at(where, lines, number, src)):
                yield from ((name, f) for name in names_in(lines[number:number + 2]))
        return
    lines, added = added_lines(path.read_text())
    for number in sorted(added):
        if "litmus:" not in lines[number]:
            continue
        for file in hooked.FILE.findall(path.read_text()):
            text = src.kernel.read(file).splitlines()
            for f in src.kernels(sources.LINUX + file):
                if lines[number] in text[f.first:f.last + 1]:
                    yield from ((name, f) for name in names_in(lines[number:number + 2]))


def check_code(tests: dict[str, Test], src: Sources) -> Results:
    """Check that the code does what the threads do, and that its comments name the right tests."""
    results = Results()
    tied: set[tuple[str, str, str]] = set()
    for path in sorted(t.path for t in tests.values()):
        if not (t := threads.read(path, src)):
            continue
        for thread in sorted(set(t.code) - {tie.thread for tie in t.ties}):
            results.add(f"{t.name}: P{thread}", False, "its comment names no code for it")
        for tie in t.ties:
            tied |= {(t.name, f.path, f.name) for f in tie.functions}
            if tie.no_code:
                continue
            try:
                t.check(tie)
                wrong = ""
            except threads.Wrong as e:
                wrong = str(e)
            results.add(f"{t.name}: P{tie.thread}: {tie}", not wrong, wrong)
    for where, path in sources.files():
        for name, f in functions_named(where, path, src):
            if name in tests:
                results.add(f"{where}: {f.name}: {name}", (name, f.path, f.name) in tied,
                            f"{name} does not say that one of its threads is {f.name}")
    return results


def run_all(tools: dict[str, str], compiled: bool = True) -> Results:
    """Run all steps; with compiled, also check our objects, for which a kernel is built."""
    kernel = Path(os.environ["LKMM"]) if os.environ.get("LKMM") else source.get().tree
    if not (kernel / "tools/memory-model/linux-kernel.cfg").exists():
        raise progress.StepFailed(f"{kernel} has no tools/memory-model")
    found = [Test(p) for p in sorted(TESTS.rglob("*.litmus"))]
    tests = {t.name: t for t in found}
    results = Results()
    if len(tests) != len(found):
        results.add("names", False, "two tests have the same name")
    check_headers(tests, results)
    check_sources(tests, results)
    tree = hooked.Tree(kernel)
    results.extend(check_code(tests, Sources(tree)))
    try:
        command = herd.command()
    except progress.StepFailed as e:
        # The other checks do not need herd7.
        results.add("litmus", False, str(e))
        command = None
    # Run loom and herd7 concurrently: loom runs its models in one thread.
    with ThreadPoolExecutor(1) as pool:
        step = progress.Step(f"{len(found)} litmus tests, and the concurrent types under loom")
        types = pool.submit(loom.run, tools, tree)
        models = (check_models(found, functools.partial(herd.run, command, kernel)) if command
                  else Results())
        while not types.done():
            step.update()
            time.sleep(0.2)
        results.extend(models)
        results.extend(types.result())
    step.done(results.short())
    if compiled:
        step = progress.Step("the barriers in compiled code")
        more = disassembly.check_ours()
        step.done(more.short())
        results.extend(more)
    return results


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--verbose", action="store_true", help="also show what passed")
    parser.add_argument("--models", action="store_true",
                        help="only what needs no built kernel: skip the compiled code")
    args = parser.parse_args()
    results = run_all(toolchain.load("cargo"), compiled=not args.models)
    for r in results.all:
        if r.status == "fail":
            print(f"  FAILED {r.name}: {r.detail}", flush=True)
        elif args.verbose:
            print(f"  ok {r.name}")
    return results.report()


if __name__ == "__main__":
    progress.main(main)
