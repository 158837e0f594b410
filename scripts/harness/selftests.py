# SPDX-License-Identifier: GPL-2.0
"""Runs the kernel's own tests of text patching, which must give the same results with C
and with Rust.

One boot runs them twice, without and with our modules. A test need not pass, but its
results must be identical; a test that fails with both is listed in the summary.
"""

import re
from collections import Counter
from pathlib import Path

from harness import debian, guest, ktap, matrix, modules, paths, programs, suite
from harness.guest import Boot
from harness.kernel import Kernel
from harness.progress import Step, StepFailed
from harness.results import Results

SCRIPT = paths.SCRIPTS / "guest/selftests.sh"
SIDES = ("c", "rust")

# Paths relative to the kernel's build folder.
KUNIT = ("lib/tests/test_kprobes.ko",)
BUILT_IN_SUITE = "kprobes_riscv"
MODULES = (
    "lib/test_static_key_base.ko",
    "lib/test_static_keys.ko",
    "samples/ftrace/ftrace-ops.ko",
    "samples/kprobes/kprobe_example.ko",
    "samples/kprobes/kretprobe_example.ko",
)
# Modules that ftracetest loads itself, with modprobe.
FTRACE_MODULES = (
    "samples/ftrace/ftrace-direct.ko",
    "samples/ftrace/ftrace-direct-too.ko",
    "samples/trace_printk/trace-printk.ko",
)
FTRACE = Path("tools/testing/selftests/ftrace")


def module(kernel: Kernel, path: str) -> Path:
    found = kernel.obj / path
    if not found.exists():
        raise StepFailed(f"The kernel's build made no {found}.")
    return found


def for_modprobe(kernel: Kernel) -> dict[str, Path]:
    """The modules at the paths where modprobe finds them; they have no dependencies."""
    release = (kernel.obj / "include/config/kernel.release").read_text().strip()
    found = [module(kernel, path) for path in FTRACE_MODULES]
    table = paths.BUILD / "modules.dep"
    table.parent.mkdir(parents=True, exist_ok=True)
    table.write_text("".join(f"{m.name}:\n" for m in found))
    folder = f"lib/modules/{release}"
    return {f"{folder}/modules.dep": table, **{f"{folder}/{m.name}": m for m in found}}


def files(kernel: Kernel) -> dict[str, Path]:
    """All files that the guest needs, except our modules."""
    top = kernel.tree / FTRACE
    tests = {f"selftests/ftrace/{p.relative_to(top)}": p
             for p in top.rglob("*") if p.is_file()}
    # Groups and users for tests of ownership.
    etc = {}
    for name, text in (("group", "root:x:0:\nusers:x:100:\n"),
                       ("passwd", "root:x:0:0:root:/:/bin/sh\nnobody:x:65534:100::/:/bin/sh\n")):
        etc[f"etc/{name}"] = paths.BUILD / f"guest-{name}"
        etc[f"etc/{name}"].write_text(text)
    ours = {f"modules/{Path(path).name}": module(kernel, path) for path in (*KUNIT, *MODULES)}
    return {"bin/bash": debian.guest_bash(), **tests, **ours, **etc, **for_modprobe(kernel)}


def outcomes(kernel: Kernel, boot: Boot, side: str) -> dict[str, str]:
    """The result of each test, by name."""
    found = {}
    prefix = f"result {side} "
    for line in guest.said(boot.lines):
        if not line.startswith(prefix):
            continue
        line = line[len(prefix):]
        # "ftrace: [12] (instance)  Basic test [PASS]", and for all others "NAME: RESULT".
        if m := re.match(r"ftrace: \[(\d+)\]\s*(.*?)\s*\[(\w+)\]$", line):
            found[f"ftracetest {m.group(1)} {m.group(2)}"] = m.group(3)
        else:
            name, _, result = line.partition(": ")
            found[name] = result
    for path in KUNIT:
        for r in ktap.parse(kernel, boot.lines, f"{side}-{Path(path).stem}").all:
            found[f"kunit {r.name}"] = r.status
    return found


def log_of(boot: Boot, side: str, name: str) -> str:
    """The end of the log of an ftrace test that failed."""
    m = re.match(r"ftracetest (\d+) ", name)
    lines = (guest.sent(boot.lines, f"{side}-{m.group(1)}") if m else None) or []
    return "".join(f"\n    {side}: {line}" for line in lines[-12:])


def compare(boot: Boot, c: dict[str, str], rust: dict[str, str]) -> Results:
    """A result for each test: whether it is identical with C and with Rust."""
    results = Results()
    for name in sorted({*c, *rust}):
        a, b = c.get(name, "never ended"), rust.get(name, "never ended")
        detail = "" if a == b else (f"{a} with C, {b} with Rust" +
                                    log_of(boot, "c", name) + log_of(boot, "rust", name))
        results.add(f"same as C: {name}", a == b, detail)
    return results


def tests_in(top: Path, wanted: tuple[str, ...]) -> int:
    """The number of tests of ftracetest in these folders and files."""
    found = {p for name in wanted for p in ((top / name).rglob("*.tc") if (top / name).is_dir()
                                            else [top / name]) if p.is_file()}
    return len(found)


def whole(kernel: Kernel, found: dict[str, str], wanted: tuple[str, ...], side: str) -> Results:
    """Check that all tests have run, since two empty lists would be identical, too."""
    results = Results()
    tests = tests_in(kernel.tree / FTRACE, wanted)
    ran = len([n for n in found if n.startswith("ftracetest ") and "(instance)" not in n])
    results.add(f"each wanted test of ftracetest ran with {side}", ran == tests != 0,
                f"{ran} of {tests} ended")
    for name in ("kprobes_test", BUILT_IN_SUITE):
        any_ran = any(n.startswith(f"kunit {name}.") for n in found)
        results.add(f"KUnit suite {name} with {side}", any_ran, "no test of it ran")
    return results


def calls(boot: Boot, when: str) -> dict[str, int]:
    """The number of calls of our module by the kernel's users, from its counters."""
    for line in guest.sent(boot.lines, f"stats-{when}") or []:
        if line.startswith("provider:"):
            return {k: int(v) for k, v in re.findall(r"(\w+)=(\d+)", line)}
    return {}


def at_work(boot: Boot) -> Results:
    """Check that Rust has patched: without the hooks, both sides would be C."""
    results = Results()
    before, after = calls(boot, "before"), calls(boot, "after")
    made = {kind: n - before.get(kind, 0) for kind, n in after.items()}
    results.add("Rust has patched text",
                all(made.get(kind) for kind in ("write", "patch", "queue")), f"calls: {made}")
    results.add("no write fell back to C", made.get("c_fallbacks") == 0, f"calls: {made}")
    return results


def summary(c: dict[str, str]) -> str:
    counts = Counter(v for n, v in c.items() if n.startswith("ftracetest "))
    failing = [n for n, v in c.items()
               if v in ("FAIL", "UNRESOLVED", "UNDEFINED", "fail") and n.startswith(("ftr", "kun"))]
    text = ", ".join(f"{n} {k.lower()}" for k, n in counts.most_common())
    return f"ftracetest with C: {text}" + "".join(f"\n    not passed with C: {n} ({c[n]})"
                                                  for n in failing)


def boot_row(row: matrix.Selftests, tools: dict[str, str], tests: tuple[str, ...],
             given: modules.Built | None = None) -> Results:
    """Boot a guest that runs all tests twice; of ftracetest, those in these folders and files."""
    results = Results()
    kernel, built = given or modules.for_row(row.flavour, row.hooked, tools)
    wanted = {**files(kernel), **programs.build(kernel, tools)}
    step = Step(f"the kernel's own tests, {row.title}")
    settings = {"HOOKED": "1" if kernel.hooked else "",
                "SUITES": " ".join(Path(path).stem for path in KUNIT),
                "FTRACETESTS": " ".join(f"/selftests/ftrace/{t}" for t in tests)}
    boot = suite.boot(kernel, tools, built, row.name, row.machine, row.limits, step,
                      script=SCRIPT, settings=settings, files=wanted)
    c, rust = (outcomes(kernel, boot, side) for side in SIDES)
    results.extend(compare(boot, c, rust))
    results.extend(whole(kernel, c, tests, "C"))
    results.extend(whole(kernel, rust, tests, "Rust"))
    if kernel.hooked:
        results.extend(at_work(boot))
    results.extend(suite.guest_checks(boot))
    results.extend(suite.ending(boot))
    step.done(results.short())
    print(f"    {summary(c)}", flush=True)
    return results
