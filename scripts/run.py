#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Boot a guest in which Rust patches live kernel text, and report on it."""

import os
import re
from statistics import median

from harness import (
    guest,
    kernel,
    kernlog,
    matrix,
    modules,
    paths,
    programs,
    progress,
    suite,
    toolchain,
)
from harness.guest import Boot, Limits, Machine
from harness.progress import Step, tail

TOGGLES = int(os.environ.get("TOGGLES") or 400)


def machine() -> Machine:
    return Machine(smp=int(os.environ.get("SMP") or 4), aia=os.environ.get("AIA") or "none")


def ipis(lines: list[str]) -> str:
    """How IPIs are delivered, from the kernel's log."""
    for line in lines:
        if m := re.search(r"\] (.*providing IPIs using .*)$", line):
            return m.group(1)
    return "none (one hart)" if machine().smp == 1 else "unknown"


def histogram(stats: list[str]) -> list[str]:
    """The lines below "stopped_us", each with a bar."""
    rows = []
    inside = False
    for line in stats:
        if line.startswith("stopped_us"):
            inside = True
        elif inside:
            if m := re.match(r"\s*(\S+): (\d+)$", line):
                rows.append((m.group(1), int(m.group(2))))
            else:
                inside = False
    most = max((n for _, n in rows), default=0)
    return [f"    up to {us:>8} us  {n:>7}  {'#' * max(1, n * 40 // most)}"
            for us, n in rows if n]


def tracer(said: list[str], harts: int) -> str:
    """The times that C and Rust took to enable and disable the function tracer."""
    functions = next((line.split()[1] for line in said if line.startswith("functions ")), "?")
    times: dict[str, list[tuple[float, float]]] = {}
    for line in said:
        if m := re.match(r"tracer (c|rust) (\d+) (\d+)$", line):
            times.setdefault(m.group(1), []).append((int(m.group(2)) / 1e6, int(m.group(3)) / 1e6))
    if set(times) != {"c", "rust"}:
        return ""
    (c_on, c_off), (rust_on, rust_off) = ([median(t) for t in zip(*times[side], strict=True)]
                                          for side in ("c", "rust"))
    return (f"Tracer      of all {functions} functions, {harts} hart{'s' if harts > 1 else ''}: "
            f"on in {c_on:.0f} ms by C, {rust_on:.0f} ms by Rust ({c_on / rust_on:.1f} times faster)\n"
            f"            off in {c_off:.0f} ms by C, {rust_off:.0f} ms by Rust "
            f"({c_off / rust_off:.1f} times faster)")


def report(k: kernel.Kernel, tools: dict[str, str], boot: Boot) -> None:
    said = guest.said(boot.lines)
    print()
    print(f"Kernel      {k.version}, {k.flavour}{', hooked' if k.hooked else ''} ({k.origin})")
    print(f"Toolchain   clang {tools['CLANG_VERSION']}, rustc {tools['RUSTC_VERSION']}, "
          f"bindgen {tools['BINDGEN_VERSION']}, QEMU {tools['QEMU_VERSION']}")
    print(f"Machine     {machine()}: {ipis(boot.lines)}")
    for line in said:
        if m := re.match(r"answers (\S+) (\S+)$", line):
            print(f"Patched     the hot function of {matrix.SAMPLE}: it answers {m.group(1)}, "
                  f"patched {m.group(2)}")
        elif m := re.match(r"toggled (\d+) wrong (\d+) seconds (\S+) (\S+)$", line):
            seconds = float(m.group(4)) - float(m.group(3))
            print(f"            {m.group(1)} times in {seconds:.2f} s; "
                  f"{m.group(2)} wrong answers right after a patch")
        elif m := re.match(r"reader (\d+) old (\d+) new (\d+) other (\d+)$", line):
            print(f"            hart {m.group(1)} meanwhile: {m.group(2)} times the old answer, "
                  f"{m.group(3)} the new one, {m.group(4)} anything else")
    for stat in guest.sent(boot.lines, "stats-stats") or []:
        if m := re.match(r"(\w+): batches=(\d+) edits=(\d+)$", stat):
            if int(m.group(2)):
                print(f"Strategy    {m.group(1)}: {m.group(2)} batches, {m.group(3)} edits")
        elif m := re.match(r"rollbacks: (\d+)$", stat):
            print(f"Rollbacks   {m.group(1)}")
        elif m := re.match(r"errors:\s*(.*)$", stat):
            print(f"Errors      {m.group(1) or 'none'}")
        elif m := re.match(r"stopped: count=(\d+) min_ns=(\d+) max_ns=(\d+) total_ns=(\d+)", stat):
            n, low, high, total = map(int, m.groups())
            if n:
                print(f"Stopped     CPUs {n} times, {low / 1e6:.2f} to {high / 1e6:.2f} ms, "
                      f"on average {total / n / 1e6:.2f} ms")
            else:
                print("Stopped     CPUs never")
    for line in histogram(guest.sent(boot.lines, "stats-stats") or []):
        print(line)


def main() -> int:
    tools = toolchain.load()
    k = kernel.build(os.environ.get("FLAVOUR") or "ordinary", kernel.hooks_wanted(), tools)
    built = modules.build(k, tools)
    load = (*matrix.MODULES, matrix.SAMPLE)
    missing = [m for m in load if m not in built]
    if missing:
        raise progress.StepFailed(f"The build made no {', '.join(missing)}.")
    step = Step(f"running the guest: {machine()}")
    name = f"run-{k.flavour}-smp{machine().smp}-{machine().aia}"
    boot = suite.boot(k, tools, built, name, machine(), Limits(silence=120, total=600), step,
                      script=paths.SCRIPTS / "guest/run.sh", load=load,
                      settings={"TOGGLES": TOGGLES, "HOOKED": "1" if k.hooked else ""},
                      files=programs.build(k, tools) if k.hooked else None)
    step.done(boot.ended)
    report(k, tools, boot)

    failed = [f"{r.name}: {r.detail}" for r in suite.guest_checks(boot).failures()]
    for line in failed:
        print(f"Failed      {line}")
    found = kernlog.complaints(boot.lines)
    if found:
        print(f"Kernel log  NOT clean; {boot.log} has:")
        print(kernlog.excerpt(boot.lines, found[0]))
    else:
        print("Kernel log  clean: no warning, no stall, no splat")
    switched = tracer(guest.said(boot.lines), machine().smp)
    if switched:
        print(switched)
    if k.hooked and not switched and boot.ok:
        failed.append("the tracer was not timed")
        print(f"Failed      {failed[-1]}")
    if not boot.ok:
        print(f"\nIt did not work: {boot.ended}. The end of {boot.log}:\n{tail(boot.log)}")
    return 0 if boot.ok and not found and not failed else 1


if __name__ == "__main__":
    progress.line_buffered()
    progress.main(main)
