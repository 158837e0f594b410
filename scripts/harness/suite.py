# SPDX-License-Identifier: GPL-2.0
"""Boots a guest of the test suite, and collects its results."""

import re
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness import (
    guest,
    initramfs,
    kernlog,
    ktap,
    matrix,
    modules,
    opensbi,
    pagetables,
    paths,
    programs,
)
from harness.flavours import FLAVOURS
from harness.guest import Boot, Limits, Machine
from harness.kernel import Kernel
from harness.progress import Step, StepFailed, tail
from harness.results import Result, Results

SCRIPT = paths.SCRIPTS / "guest/test.sh"


def module_parameters(tools: dict[str, str], machine: Machine, built: dict[str, Path],
                      names: tuple[str, ...], parameters: dict[str, Any]) -> dict[str, Any]:
    """The parameters that the guest passes to each module: those for QEMU, and its own."""
    emulated = {} if machine.spike else matrix.emulated(tools["QEMU_VERSION"])
    wanted = {**emulated, **parameters}
    return {f"PARAMS_{name}": " ".join(f"{k}={v}" for k, v in wanted.items()
                                       if k in modules.parameters(built[name]))
            for name in names}


def needs_shell(kernel: Kernel) -> None:
    """Fail if no shell runs in a guest with this kernel."""
    if not FLAVOURS[kernel.flavour].compressed:
        raise StepFailed(f"Guests with the {kernel.flavour} kernel have no shell, since Debian's "
                         "consist of compressed instructions. Only \"make test-full\" boots it.")


def boot(kernel: Kernel, tools: dict[str, str], built: dict[str, Path], name: str,
         machine: Machine, limits: Limits, step: Step, *, script: Path = SCRIPT, load: tuple[str, ...] = matrix.MODULES,
         kunit: tuple[str, ...] = (),
         litmus: bool = False, parameters: dict[str, Any] | None = None,
         settings: dict[str, Any] | None = None,
         files: dict[str, Path] | None = None) -> Boot:
    """Boot a guest that runs script with these modules."""
    samples = (matrix.LITMUS_MODULE,) if litmus else ()
    given: dict[str, Any] = {"LOAD": " ".join(load), "KUNIT": " ".join(kunit),
             "CHECK_PAGES": "1" if checks_pages(machine) else "",
             "LITMUS": " ".join(samples)}
    given.update(module_parameters(tools, machine, built, (*load, *kunit, *samples),
                                   parameters or {}))
    given.update(settings or {})
    image = paths.BUILD / "initramfs" / f"{name}.cpio.gz"
    image.parent.mkdir(parents=True, exist_ok=True)
    init = None
    if not FLAVOURS[kernel.flavour].compressed:
        if script != SCRIPT:
            needs_shell(kernel)
        init = programs.init(kernel, tools)
        files = programs.build(kernel, tools)
        tools = {**tools, "OPENSBI": str(opensbi.without_c(tools) / "fw_dynamic.bin")}
    initramfs.build(image, script, [built[m] for m in (*load, *kunit, *samples)], given, files,
                    init=init)
    args = guest.command(kernel, tools, image, machine)
    return guest.boot(args, paths.LOGS / f"guest-{name}.log", limits, step, machine.smp,
                      stays=machine.spike)


def guarded(name: str, function: Callable[[], Results]) -> Results:
    """Run a part of the suite, and print its failures. Any exception is a failure of this part only."""
    try:
        results = function()
    except StepFailed as e:
        results = Results()
        results.add(name, False, str(e))
    except Exception as e:  # noqa: BLE001 any exception is a failed row
        traceback.print_exc()
        results = Results()
        results.add(name, False, repr(e))
    for r in results.failures():
        print(f"  FAILED {name}: {r.name}{f': {r.detail}' if r.detail else ''}", flush=True)
    return results


def checks_pages(machine: Machine) -> bool:
    """Whether to check the page tables for aliases of text.

    In Spike the kernel itself creates one: the 4 MiB around the device tree stay mapped
    writable in the fixmap, and with OpenSBI's fw_jump this memory is also used for modules.
    """
    return not machine.spike


def kunit_modules(built: dict[str, Path]) -> tuple[str, ...]:
    return tuple(sorted(m for m in built if m.startswith(matrix.KUNIT_PREFIX)))


def ending(boot: Boot) -> Results:
    """Results for how the guest ended, and for warnings in its kernel's log."""
    results = Results()
    if not boot.ok:
        # A name of its own if the reason need not be a defect: we killed the guest, or it never
        # ran our script, for example because the host has no memory.
        name = ("guest ended in time" if boot.hung else
                "guest" if guest.said(boot.lines) else "guest started")
        results.add(name, False, f"{boot.ended}; the end of {boot.log}:\n{tail(boot.log)}")
    else:
        results.add("guest", True)
    complaints = kernlog.report(boot.lines, boot.log)
    results.add("kernel log", not complaints, complaints)
    return results


def guest_checks(boot: Boot) -> Results:
    """The results of checks by the guest's script."""
    results = Results()
    for line in guest.said(boot.lines):
        if line.startswith("ok "):
            results.add(line[3:], True)
        elif line.startswith("not ok "):
            name, _, detail = line[7:].partition(": ")
            results.add(name, False, detail)
    return results


def page_checks(boot: Boot) -> Results:
    results = Results()
    dump = guest.sent(boot.lines, "pages")
    if dump is None:
        results.add("page tables", False, "there is no whole dump in the log")
        return results
    try:
        mappings = pagetables.parse(dump)
    except ValueError as e:
        results.add("page tables", False, str(e))
        return results
    for name, problems in (("writable_and_executable", pagetables.writable_executable(mappings)),
                           ("writable_alias", pagetables.writable_aliases(mappings))):
        results.add(f"page tables.{name}", not problems, "\n    ".join(problems[:10]))
    verdict = [line for line in boot.lines if re.search(r"Checked W\+X mappings: passed", line)]
    # Once after boot, and once after our modules have run.
    results.add("W+X check", len(verdict) >= 2, f"passed {len(verdict)} times of 2")
    return results


def litmus_checks(boot: Boot) -> Results:
    """The results of litmus tests on the guest's harts; "nothing" counts as skipped."""
    results = Results()
    lines = guest.sent(boot.lines, "litmus")
    for line in lines or ():
        if m := re.match(r"(ok|not ok|nothing) ([^:]+): (.*)", line):
            status = {"ok": "pass", "not ok": "fail", "nothing": "skip"}[m.group(1)]
            results.all.append(Result(f"litmus.{m.group(2)}", status, m.group(3)))
    if not results.count("pass"):
        results.add("litmus", False, "no litmus test passed")
    return results


def selftests(kernel: Kernel) -> dict[str, Path]:
    """The kernel's own tests that guests run: their paths in the guest and on the host."""
    script = kernel.tree / "tools/testing/selftests/cpu-hotplug/cpu-on-off-test.sh"
    return {"programs/cpu-on-off-test.sh": script}


def kind(script: str, kernel: Kernel) -> dict[str, Any]:
    """The arguments of boot() for a guest of scripts/guest/SCRIPT.sh."""
    if script != "hotplug":
        return {}
    return {"script": paths.SCRIPTS / f"guest/{script}.sh",
            "load": matrix.MODULES + matrix.HOTPLUG,
            "settings": {"HOOKED": int(kernel.hooked)}, "files": selftests(kernel)}


def results(kernel: Kernel, boot: Boot, kunit: tuple[str, ...], litmus: bool = False,
            pages: bool = True) -> Results:
    """All results of a guest that ran test.sh, or a script that does not dump page tables."""
    all_results = Results()
    if pages and not kunit and not litmus:
        all_results.add("KUnit", False, "there are no KUnit modules")
    if litmus:
        all_results.extend(litmus_checks(boot))
    for module in kunit:
        all_results.extend(ktap.parse(kernel, boot.lines, module))
    all_results.extend(guest_checks(boot))
    if pages:
        all_results.extend(page_checks(boot))
    all_results.extend(ending(boot))
    return all_results
