# SPDX-License-Identifier: GPL-2.0
"""Our modules, built with Kbuild against a kernel of the cache."""

import re
import shutil
from pathlib import Path

from rr import paths, progress, toolchain
from rr.kernel import Kernel
from rr.lock import locked


def build(kernel: Kernel, tools: dict, top: Path = paths.TOP, out: Path | None = None,
          log: Path | None = None, extra: tuple = ()) -> dict:
    """Build the modules of the tree top; their files by name, without ".ko"."""
    out = out or paths.BUILD / kernel.name.rsplit("-", 1)[0]
    log = log or paths.LOGS / f"modules-{out.name}.log"
    out.parent.mkdir(parents=True, exist_ok=True)
    with locked(out.with_suffix(".lock"), "building the modules"):
        stamp = out / ".kernel"
        # What was built against another kernel must not be mixed in.
        if out.exists() and (not stamp.exists() or stamp.read_text() != kernel.name):
            shutil.rmtree(out)
        out.mkdir(exist_ok=True)
        stamp.write_text(kernel.name)
        progress.run(f"building the modules ({out.name})",
                     ["make", "-C", kernel.tree, f"O={kernel.obj}",
                      *toolchain.make_variables(tools), f"M={top}", f"MO={out}",
                      toolchain.jobs(), *extra, "modules"],
                     log, env=toolchain.environment())
    # A module that is no longer built leaves its file behind.
    listed = (out / "modules.order").read_text().split()
    found = {}
    for name in listed:
        path = (out / name).with_suffix(".ko")
        if not path.exists():
            path = Path(name).with_suffix(".ko")
        found[path.stem] = path
    return found


def parameters(module: Path) -> set[str]:
    """The names of the parameters a module takes."""
    return {m.decode() for m in re.findall(rb"parmtype=(\w+):", module.read_bytes())}
