#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Write the kernel series as it is sent to its maintainers, to build/series/.

fixes/, hooks/ and rfc/ are series, each with a cover letter. They are checked with
checkpatch --strict, and applied with git am to Linux 7.3 and, except for rfc/, to the
newest 7.2. With --refresh, write patches/ anew instead: after a patch was edited, or
renamed to another place in the order.
"""

import argparse
import shutil
import tempfile
from pathlib import Path

from harness import hooked, paths, progress, source, toolchain, upstream
from harness.progress import Step, StepFailed
from harness.source import Source
from harness.upstream import FIXES, RFC, Repository

OUT = paths.BUILD / "series"
OLDER = "linux-source-7.2"


def refresh(src: Source, work: Path) -> None:
    fixes, _ = upstream.split(hooked.series())
    upstream.refresh(FIXES, src, work / "fixes", fixes)
    upstream.refresh(paths.PATCHES, src, work / "series")
    upstream.refresh(RFC, src, work / "rfc")
    print(f"patches/: {len(hooked.series())} patches, {len(hooked.series(FIXES))} in fixes/, "
          f"and {len(hooked.series(RFC))} in rfc/")


def write(src: Source, work: Path) -> dict[str, list[Path]]:
    """Write the series, and return their patches without the cover letters."""
    fixes, hooks = upstream.split(hooked.series())
    table = upstream.measured((paths.TOP / "README.md").read_text())
    written: dict[str, list[Path]] = {}
    none: list[Path] = []
    for name, needed, patches, folder in (("fixes", none, [*fixes, *hooked.series(FIXES)], FIXES),
                                          ("hooks", fixes, hooks, paths.PATCHES),
                                          ("rfc", none, hooked.series(RFC), RFC)):
        repo = Repository(work / name, src, [*needed, *patches])
        if error := repo.am(needed):
            raise StepFailed(error)
        needs = upstream.patch_ids(repo, repo.base) if needed else []
        first = repo.head()
        if error := repo.am(patches):
            raise StepFailed(error)
        said = upstream.maintainers(src.tree, patches)
        texts = {"MEASURED": table, "MAINTAINERS": said, "VERSION": src.version,
                 "NEEDED": "\n".join(f"  {upstream.subject(p)}" for p in needed),
                 "EXPORTS": "\n".join(f"  {e}" for e in upstream.broad_exports(patches))}
        cover = upstream.letter((folder / upstream.COVER).read_text(), texts)
        written[name] = upstream.write(repo, OUT / name, first, cover, said, needs)[1:]
    return written


def applies(kernel: Source, src: Source, work: Path, patches: list[Path]) -> tuple[bool, str]:
    """Whether git am applies patches for a kernel to another one, and how that went."""
    newer = [p for p in patches if not upstream.is_for(p, kernel.version)]
    patches = [p for p in patches if p not in newer]
    repo = Repository(work, kernel, patches)
    repo.know(src)
    error = repo.am(patches, merge=kernel != src)
    (paths.LOGS / f"series-{work.name}.log").write_text(repo.log)
    if error:
        return False, error.splitlines()[0]
    said = "applied"
    for what, names in (("with -3 for", repo.merged), ("without those for newer kernels:", newer)):
        if names:
            said += f", {what} {', '.join(p.name for p in names)}"
    return True, said


def check(src: Source, older: Source, work: Path, series: dict[str, list[Path]]) -> bool:
    """Print what the checks find, and return whether they are clean."""
    good = True
    for patch in [p for patches in series.values() for p in patches]:
        if complaints := upstream.checkpatch(src.tree, patch):
            good = False
            print(f"    {patch.name}:\n{complaints}")
    print(f"checkpatch.pl --strict: {'clean' if good else 'COMPLAINS'}")

    fixes, hooks = series["fixes"], series["hooks"]
    needed = fixes[:len(upstream.split(hooked.series())[0])]
    # What is new in Rust is proposed for the newest kernel only.
    newest = [("rfc", series["rfc"])]
    for kernel, more in ((src, newest), (older, [])):
        for name, patches in (("fixes", fixes), ("hooks", [*needed, *hooks]), *more):
            fine, said = applies(kernel, src, work / f"{name}-{kernel.version}", patches)
            print(f"git am of {name} ({len(patches)} patches) on {kernel.version} "
                  f"({kernel.origin}): {said}")
            good = good and fine
        # Both change the same lines, so the second to be merged has a conflict.
        _, said = applies(kernel, src, work / f"both-{kernel.version}", [*fixes, *hooks])
        print(f"git am of hooks on all fixes on {kernel.version}: {said}")

    repo = Repository(work / "tested", src, [*needed, *hooks])
    repo.am([*needed, *hooks])
    same = repo.contents() == hooked.Tree(src.tree).patched
    print(f"The hooks leave the source of the kernels that are tested: {'yes' if same else 'NO'}")
    return good and same


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--refresh", action="store_true")
    args = parser.parse_args()
    toolchain.load()
    src = source.get()
    paths.LOGS.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        if args.refresh:
            refresh(src, work)
            return 0
        shutil.rmtree(OUT, ignore_errors=True)
        step = Step("writing the series")
        series = write(src, work)
        said = ", ".join(f"{len(patches)} in {name}/" for name, patches in series.items())
        step.done(f"{said}, each with a cover letter, in {OUT}")
        older = source.newest(OLDER, ("arch/riscv", "include", "kernel", "lib", "rust"))
        return 0 if check(src, older, work, series) else 1


progress.line_buffered()
progress.main(main)
