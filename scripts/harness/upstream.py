# SPDX-License-Identifier: GPL-2.0
"""Writes the kernel series for sending to maintainers, and applies it to kernels.

There are three series: the fixes of bugs that mainline has, the hooks, which need some of the
fixes, and an RFC of Rust abstractions. The patches with "Fixes:" at the start of patches/ are in
the kernels that are built here; those in patches/fixes/ are not: the hooks change the same lines,
or do not need them. Nor are those in patches/rfc/.
"""

import email
import os
import re
import shutil
import subprocess
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from email.message import Message
from email.policy import default
from pathlib import Path

from harness import hooked, paths, source
from harness.progress import StepFailed

FIXES = paths.PATCHES / "fixes"
RFC = paths.PATCHES / "rfc"
# The sender of the cover letters.
NAME, ADDRESS = "Rust RISC-V Contributors", "rust-riscv@example.org"
COVER = "cover-letter.txt"
FORMAT = ("--zero-commit", "--no-signature", "--abbrev=12", "--numbered")
# There is no git history with the commits in "Fixes:".
IGNORED = "FILE_PATH_CHANGES,UNKNOWN_COMMIT_ID"
WIDTH = 74
# The oldest kernel that a patch is for, if it says so.
SINCE = re.compile(r"^Cc: .*stable@vger\.kernel\.org>? # (\d+)\.(\d+)\+$", re.MULTILINE)
EXPORT = re.compile(r"^\+EXPORT_SYMBOL(_GPL|_FOR_MODULES|)\((\w+)", re.MULTILINE)


def parse(patch: Path) -> Message:
    return email.message_from_string(patch.read_text(), policy=default)


def subject(patch: Path) -> str:
    return re.sub(r"^\[PATCH[^]]*\] ", "", str(parse(patch)["Subject"]))


def is_fix(patch: Path) -> bool:
    return bool(re.search(r"^Fixes: ", patch.read_text(), re.MULTILINE))


def is_for(patch: Path, version: str) -> bool:
    """Whether a patch is for a kernel of this version, from its "Cc: stable"."""
    found = SINCE.search(patch.read_text())
    if not found:
        return True
    return (int(found[1]), int(found[2])) <= tuple(int(n) for n in version.split(".")[:2])


def split(patches: Sequence[Path]) -> tuple[list[Path], list[Path]]:
    """The fixes, which come first, and the hooks."""
    fixes = [p for p in patches if is_fix(p)]
    if fixes != list(patches[:len(fixes)]):
        raise StepFailed("A patch with \"Fixes:\" comes after one without: fixes are sent first, "
                         "and must not depend on the hooks.")
    return fixes, list(patches[len(fixes):])


def broad_exports(patches: Sequence[Path]) -> list[str]:
    """The symbols that the patches export to more than named modules."""
    found = {name: kind for p in patches for kind, name in EXPORT.findall(p.read_text())}
    return sorted(name for name, kind in found.items() if kind != "_FOR_MODULES")


class Repository:
    """A git repository of those files of a kernel that the patches change."""

    def __init__(self, folder: Path, src: source.Source, patches: Sequence[Path]):
        self.folder = folder
        self.log = ""
        self.merged: list[Path] = []
        folder.mkdir(parents=True)
        for name in sorted({n for p in patches for n in hooked.FILE.findall(p.read_text())}):
            if (src.tree / name).exists():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(src.tree / name, folder / name)
        self.git("init", "-q", ".")
        self.git("add", "-A")
        self.git("commit", "-q", "-m", f"Linux {src.version}")
        self.base = self.head()

    def try_git(self, *args: object, text: str = "") -> subprocess.CompletedProcess[str]:
        """Run git without the user's configuration."""
        our = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1",
               **{f"GIT_{who}_{key}": value for who in ("AUTHOR", "COMMITTER")
                  for key, value in (("NAME", NAME), ("EMAIL", ADDRESS))}}
        done = subprocess.run(["git", *map(str, args)], cwd=self.folder, input=text, text=True,
                              capture_output=True, check=False, env=os.environ | our)
        self.log += f"git {' '.join(map(str, args))}\n{done.stdout}{done.stderr}"
        return done

    def git(self, *args: object, text: str = "") -> str:
        done = self.try_git(*args, text=text)
        if done.returncode:
            raise StepFailed(f"git {' '.join(map(str, args))}:\n{done.stdout}{done.stderr}")
        return done.stdout.strip()

    def head(self) -> str:
        return self.git("rev-parse", "HEAD")

    def am(self, patches: Sequence[Path], merge: bool = False) -> str:
        """Apply patches with git am, and return what is wrong with the first that fails.

        With merge, one that fails is tried again with git am -3; merged has those that need it.
        """
        for patch in patches:
            done = self.try_git("am", "-q", patch.resolve())
            if done.returncode and merge:
                self.git("am", "--abort")
                self.merged.append(patch)
                done = self.try_git("am", "-q", "-3", patch.resolve())
            if done.returncode:
                self.git("am", "--abort")
                return f"{patch.name}: {(done.stdout + done.stderr).strip()}"
        return ""

    def know(self, src: source.Source) -> None:
        """Add a kernel's versions of the files, as a git tree of the kernel has them, for -3."""
        for name in self.git("ls-files").splitlines():
            if (src.tree / name).exists():
                self.git("hash-object", "-w", src.tree / name)

    def contents(self) -> dict[str, str]:
        return {name: (self.folder / name).read_text()
                for name in self.git("ls-files").splitlines()}


@dataclass
class Letter:
    """The text of a cover letter, from the file cover-letter.txt.

    It begins with "Subject:", "Change-Id:" and, for recipients that get_maintainer.pl does not
    list, "Cc:"; for an RFC, with "Prefix: RFC". "@NAME@" is replaced by a computed text. The
    changelog follows "---".
    """

    subject: str
    change: str
    copy: str
    body: str
    changelog: str
    prefix: str = ""

    @property
    def version(self) -> int:
        return max(int(n) for n in re.findall(r"^Changes in v(\d+):", self.changelog, re.MULTILINE))


def letter(text: str, texts: dict[str, str]) -> Letter:
    head, _, rest = text.partition("\n\n")
    fields = dict(line.split(": ", 1) for line in head.splitlines())
    body, _, changelog = rest.partition("\n---\n")
    if not changelog:
        raise StepFailed("A cover letter has no changelog.")
    body = re.sub(r"@([A-Z]+)@", lambda m: texts[m.group(1)].strip("\n"), body)
    return Letter(fields["Subject"], fields["Change-Id"], fields.get("Cc", ""), body.strip(),
                  changelog.strip(), fields.get("Prefix", ""))


def measured(readme: str) -> str:
    """The README's table of measurements, and how they were made, as plain text."""
    found = re.search(r"^(\| times faster.*?)\n\n\((.*?)\)\n\n(.*?)\n\n", readme,
                      re.MULTILINE | re.DOTALL)
    if not found:
        raise StepFailed("README.md has no table \"times faster\" with a note below it.")
    rows = [[cell.strip() for cell in line.strip().strip("|").split("|")]
            for line in found.group(1).splitlines() if not re.match(r"\|[-| ]+\|$", line)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  " + "  ".join(cell.ljust(w) if i == 0 else cell.rjust(w)
                              for i, (cell, w) in enumerate(zip(row, widths, strict=True)))
             for row in rows]
    # Without the backquotes of Markdown.
    texts = [textwrap.fill(" ".join(t.replace("`", "").split()), WIDTH)
             for t in (f"({found.group(2)})", found.group(3))]
    return "\n\n".join(["\n".join(line.rstrip() for line in lines), *texts])


def maintainers(tree: Path, patches: Sequence[Path]) -> str:
    """The output of the kernel's get_maintainer.pl for the patches, without git history."""
    # Without keywords: a word such as "Rust" in a message does not concern its maintainers.
    done = subprocess.run(["perl", "scripts/get_maintainer.pl", "--no-git", "--no-git-fallback",
                           "--no-keywords", *(p.resolve() for p in patches)], cwd=tree, text=True,
                          capture_output=True, check=False)
    if done.returncode or not done.stdout.strip():
        raise StepFailed(f"get_maintainer.pl ended with status {done.returncode}:\n{done.stderr}")
    return done.stdout.strip()


def recipients(said: str) -> tuple[list[str], list[str]]:
    """The addresses for To: and Cc:, from the output of get_maintainer.pl."""
    to: list[str] = []
    cc: list[str] = []
    for line in said.splitlines():
        who, _, role = line.partition(" (")
        (to if role.startswith(("maintainer", "supporter")) else cc).append(who)
    return to, cc


def checkpatch(tree: Path, patch: Path) -> str:
    """The complaints of the kernel's checkpatch.pl; empty if there are none."""
    # On standard input, since checkpatch treats a file that is in git as source.
    done = subprocess.run(["perl", tree / "scripts/checkpatch.pl", "--no-tree", "--strict",
                           "--terse", "--no-summary", "--ignore", IGNORED, "-"],
                          input=patch.read_text(), text=True, capture_output=True, check=False)
    if done.returncode and not done.stdout:
        return f"checkpatch.pl ended with status {done.returncode}: {done.stderr}"
    return done.stdout.strip()


def write(repo: Repository, out: Path, first: str, cover: Letter, said: str,
          needs: Sequence[str] = ()) -> list[Path]:
    """Write the commits after the first as a series with a cover letter, as b4 does."""
    to, cc = recipients(said)
    cc += [cover.copy] if cover.copy else []
    version = [f"-v{cover.version}"] if cover.version > 1 else []
    prefix = [f"--subject-prefix=PATCH {cover.prefix}"] if cover.prefix else []
    shutil.rmtree(out, ignore_errors=True)
    repo.git("format-patch", *FORMAT, *version, *prefix, "--cover-letter",
             *(f"--to={who}" for who in to), *(f"--cc={who}" for who in cc),
             "-o", out.resolve(), f"{first}..HEAD")
    patches = sorted(out.glob("*.patch"))
    text = patches[0].read_text()
    for placeholder, with_text in (
            ("*** SUBJECT HERE ***", cover.subject),
            ("*** BLURB HERE ***\n\n", f"{cover.body}\n\n---\n{cover.changelog}\n\n---\n")):
        if placeholder not in text:
            raise StepFailed(f"git format-patch writes no {placeholder.strip()}")
        text = text.replace(placeholder, with_text)
    lines = [f"prerequisite-patch-id: {i}" for i in needs] + [f"change-id: {cover.change}"]
    patches[0].write_text(text.rstrip() + "\n---\n" + "\n".join(lines) + "\n")
    return patches


def patch_ids(repo: Repository, first: str) -> list[str]:
    """The patch IDs of the commits after the first, by which b4 finds them in a tree."""
    commits = repo.git("rev-list", "--reverse", f"{first}..HEAD").split()
    return [repo.git("patch-id", "--stable", text=repo.git("show", c) + "\n").split()[0]
            for c in commits]


def refresh(folder: Path, src: source.Source, work: Path, after: Sequence[Path] = ()) -> None:
    """Rewrite the patches in a folder: their names, numbers, statistics and offsets.

    They are applied in the order of their names, on top of the patches in after. patch applies
    them, since git am rejects patches whose offsets are wrong after an edit.
    """
    patches = hooked.series(folder)
    repo = Repository(work, src, [*after, *patches])
    if error := repo.am(after):
        raise StepFailed(error)
    first = repo.head()
    for patch in patches:
        mail = parse(patch)
        hooked.apply_one(patch, repo.folder, src.version)
        repo.git("add", "-A")
        content = patch.read_text().split("\n\n", 1)[1]
        message = content[:re.search(r"^(---$|diff --git )", content, re.MULTILINE).start()]  # type: ignore[union-attr]
        repo.git("commit", "-q", f"--author={mail['From']}", f"--date={mail['Date']}",
                 "-F", "-", text=f"{subject(patch)}\n\n{message}")
    for patch in patches:
        patch.unlink()
    repo.git("format-patch", "-q", *FORMAT, "-o", folder.resolve(), f"{first}..HEAD")
