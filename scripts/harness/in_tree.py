# SPDX-License-Identifier: GPL-2.0
"""Puts our sources into a kernel tree, together with the hook series.

All of it is prepared first, beside the tree's own files. What is changed then are a few renames,
which are taken back if one fails, and in a git tree the branch that is checked out.
"""

import errno
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from harness import hooked, kernel, kernlog, paths, progress, source, store, toolchain
from harness.lock import locked
from harness.progress import StepFailed
from harness.results import Result, Results

FOLDER = "arch/riscv/rust_riscv"
BRANCH = "rust-riscv"
SERIES = "7.3"

# The lines that are added to files of the kernel, each after one that is there.
LINES = {
    "arch/riscv/Kconfig": ('source "arch/riscv/kvm/Kconfig"',
                           f'source "{FOLDER}/Kconfig"'),
    "arch/riscv/Kbuild": ("obj-$(CONFIG_KVM) += kvm/",
                          "obj-$(CONFIG_RUST_RISCV) += rust_riscv/"),
}

# What is copied: these, without what a build has left, and of the tests only the KUnit suites.
PARTS = (".kunitconfig", "Kbuild", "Kconfig", "include", "rust", "samples")
NAMES = re.compile(r"(?:.*\.(?:rs|c|h|S|awk|mk)|Kbuild|Kconfig|\.kunitconfig|\.gitignore|"
                   r"bindgen_parameters)")
GENERATED = re.compile(r".*(?:_generated\.\w+|\.mod\.c)")
TESTS, SUITES = "rust/tests/", "rust/tests/kunit/"

MESSAGE = """riscv: add text patching, CPU hotplug and page faults in Rust

Writing kernel text, the CPU hotplug state of the SBI IPI, and the
decision on page faults of user mode, in Rust, with their KUnit suites
and samples, in {folder}/. It is built with the kernel or as
modules, see its Kconfig.

The sources are those of rust-riscv{version}.

Signed-off-by: {author}
"""

# What a tree with the series has, and where.
PROVIDER = ("arch/riscv/include/asm/text-patching.h", "riscv_patch_provider")

# A file that the series adds.
ADDED = re.compile(r"^--- /dev/null\n\+\+\+ b/(\S+)", re.MULTILINE)

# What must not reach git from the environment: it would use another repository.
REPOSITORY = ("GIT_DIR", "GIT_COMMON_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX",
              "GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_NAMESPACE",
              "GIT_SHALLOW_FILE", "GIT_GRAFT_FILE", "GIT_REPLACE_REF_BASE")

# What git has begun, and the files that say so.
BEGUN = {"rebase-merge": "a rebase", "rebase-apply": "a rebase or git am", "MERGE_HEAD": "a merge",
         "CHERRY_PICK_HEAD": "a cherry-pick", "REVERT_HEAD": "a revert", "BISECT_LOG": "a bisection",
         "sequencer": "a cherry-pick or revert of several commits"}


def sources(top: Path = paths.TOP) -> dict[str, Path]:
    """The files to copy, by their names in the kernel tree."""
    def walk(path: Path) -> Iterator[Path]:
        if path.is_dir():
            for entry in sorted(path.iterdir()):
                yield from walk(entry)
        else:
            yield path

    found = {}
    for part in PARTS:
        for path in walk(top / part):
            name = str(path.relative_to(top))
            if (NAMES.fullmatch(path.name) and not GENERATED.fullmatch(path.name)
                    and (not name.startswith(TESTS) or name.startswith(SUITES))):
                found[f"{FOLDER}/{name}"] = path
    return found


def add_line(name: str, text: str, after: str, line: str) -> str:
    """The text of a file with a line added after another one."""
    lines = text.removesuffix("\n").split("\n")
    if lines.count(after) != 1:
        raise StepFailed(f"{name} has the line '{after}' {lines.count(after)} times, not once: "
                         f"this is for Linux {SERIES}")
    lines.insert(lines.index(after) + 1, line)
    return "\n".join(lines) + "\n"


@dataclass
class Plan:
    """The changes of a kernel tree: texts and copies, by the names of files in it."""

    tree: Path
    series: list[Path]
    # The files that are changed, as they were read and as they are to be.
    before: dict[str, str]
    after: dict[str, str]
    copied: dict[str, Path]

    def stage(self, folder: Path) -> None:
        """Write all files into a folder, with the permissions of those that they replace."""
        for name, text in self.after.items():
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text)
            if (self.tree / name).exists():
                shutil.copymode(self.tree / name, target)
        for name, path in self.copied.items():
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)


def plan(given: str, top: Path = paths.TOP) -> Plan:
    """Check that a tree can have our sources, which are in top, without changing it."""
    if not given:
        raise StepFailed("Name the kernel tree: make in-tree KERNEL=/path/to/linux")
    tree = Path(given).resolve()
    if not tree.is_dir():
        raise StepFailed(f"KERNEL={given}: no such folder")
    if not all((tree / name).is_file() for name in ("Makefile", "rust/kernel/lib.rs", *LINES)):
        raise StepFailed(f"KERNEL={given}: not a kernel tree with Rust and RISC-V in it")
    if os.path.lexists(tree / FOLDER):
        raise StepFailed(f"{tree} has {FOLDER}/ already: start from a tree or a branch without it")
    name, word = PROVIDER
    if (tree / name).is_file() and word in (tree / name).read_text():
        raise StepFailed(f"{tree} has the series already, or a part of it: "
                         "start from a tree or a branch without it")
    series = hooked.series(top / "patches")
    for name in [n for patch in series for n in ADDED.findall(patch.read_text())]:
        way = [tree / n for n in (name, *map(str, Path(name).parents))]
        for path in [way[0], *(p for p in way[1:] if not p.is_dir())]:
            if os.path.lexists(path):
                raise StepFailed(f"{path} is in the way: the series adds {name}")
    version = source.tree_version(tree)
    try:
        files = hooked.Tree(tree, top / "patches", strict=True)
    except StepFailed as e:
        what = str(e).split(" ", 1)[0]
        raise StepFailed(f"{tree} is Linux {version}, to which {what} does not apply: "
                         f"the series is for Linux {SERIES}") from e
    before, after = dict(files.before), dict(files.patched)
    for name, (line, ours) in LINES.items():
        text = before.setdefault(name, (tree / name).read_text())
        after[name] = add_line(name, after.get(name, text), line, ours)
    for path in (tree / name for name in before):
        if path.is_symlink():
            raise StepFailed(f"{path} is a symbolic link, which a file would replace")
        if b"\r" in path.read_bytes():
            raise StepFailed(f"{path} has carriage returns, which would be lost")
    return Plan(tree, series, before, after, sources(top))


class Git:
    """The git repository of a kernel tree."""

    def __init__(self, tree: Path):
        self.tree = tree

    def run(self, *args: object, text: str | None = None, env: dict[str, str] | None = None
            ) -> subprocess.CompletedProcess[str]:
        # In a session of its own, not to be interrupted with us, and without the user's hooks.
        command = ["git", "-C", str(self.tree), "-c", f"core.hooksPath={os.devnull}",
                   *map(str, args)]
        ours = {k: v for k, v in os.environ.items() if k not in REPOSITORY}
        return subprocess.run(command, input=text or "", capture_output=True, text=True,
                              check=False, start_new_session=True,
                              env=ours | {"LC_ALL": "C.UTF-8"} | (env or {}))

    def __call__(self, *args: object, text: str | None = None,
                 env: dict[str, str] | None = None) -> str:
        done = self.run(*args, text=text, env=env)
        if done.returncode:
            raise StepFailed(f"git {args[0]} in {self.tree}: {said(done)}")
        return done.stdout.strip()

    def exists(self) -> bool:
        """Whether the tree is a repository, and not a folder in one."""
        return (self.tree / ".git").exists()

    def check(self) -> None:
        """Check that a branch can be made and checked out."""
        self("rev-parse", "--git-dir")
        if not self.run("rev-parse", "-q", "--verify", f"refs/heads/{BRANCH}").returncode:
            raise StepFailed(f"{self.tree} has a branch {BRANCH} already: "
                             f"delete it first (git branch -D {BRANCH})")
        if self.run("rev-parse", "-q", "--verify", "HEAD").returncode:
            raise StepFailed(f"{self.tree} is a git repository without a commit")
        for name, what in BEGUN.items():
            if (self.tree / self("rev-parse", "--git-path", name)).exists():
                raise StepFailed(f"{self.tree} has {what} that is not finished")
        if self("--no-optional-locks", "status", "--porcelain", "--untracked-files=no"):
            raise StepFailed(f"{self.tree} has changes that are not committed: "
                             "commit them, or stash them")
        if self.run("config", "--type=bool", "core.sparseCheckout").stdout.strip() == "true":
            # git before 2.41 cannot say which files it leaves out.
            raise StepFailed(f"{self.tree} is a sparse checkout: git sparse-checkout disable")
        done = self.run("var", "GIT_COMMITTER_IDENT")
        if done.returncode:
            raise StepFailed(f"git does not know who commits in {self.tree}: "
                             "set user.name and user.email")

    def compare(self, commit: str, texts: Mapping[str, str]) -> None:
        """Check that files of a commit have texts."""
        for name, text in texts.items():
            if self.run("cat-file", "blob", f"{commit}:{name}").stdout != text:
                raise StepFailed(f"{self.tree / name} is not what git has of it")

    def commit(self, parent: str, index: dict[str, str], message: str,
               author: dict[str, str] | None = None) -> str:
        written = self("write-tree", env=index)
        # Not "git commit": that would run the user's hooks.
        return self("commit-tree", "--no-gpg-sign", written, "-p", parent, "-F", "-",
                    text=message, env=index | (author or {}))

    def patch(self, parent: str, index: dict[str, str], patch: Path, folder: Path
              ) -> tuple[str, str]:
        """Commit a patch as "git am" does, without a work tree. Returns its author, too."""
        message, content = folder / "message", folder / "patch"
        info = self("mailinfo", message, content, text=patch.read_text())
        mail = dict(line.split(": ", 1) for line in info.splitlines() if ": " in line)
        self("apply", "--cached", "--whitespace=nowarn", content, env=index)
        author = {"GIT_AUTHOR_NAME": mail["Author"], "GIT_AUTHOR_EMAIL": mail["Email"],
                  "GIT_AUTHOR_DATE": mail["Date"]}
        head = self.commit(parent, index, f"{mail['Subject']}\n\n{message.read_text()}", author)
        return head, f"{mail['Author']} <{mail['Email']}>"

    def commit_all(self, planned: Plan, stage: Path) -> tuple[str, str]:
        """Make the commits: objects that nothing refers to. Returns what they are on, and the last.
        """
        index = {"GIT_INDEX_FILE": str(stage / "index")}
        old = head = self("rev-parse", "HEAD")
        # With assume-unchanged, or when a file was just saved, they may differ.
        self.compare(old, planned.before)
        self("read-tree", old, env=index)
        for patch in planned.series:
            head, author = self.patch(head, index, patch, stage)
        self("add", "-f", "--", FOLDER, *LINES,
             env=index | {"GIT_WORK_TREE": str(stage / NEW)})
        # By the author of the series, whose sources they are.
        name, mail = author.removesuffix(">").split(" <")
        head = self.commit(head, index, MESSAGE.format(folder=FOLDER, version=version_of(),
                                                       author=author),
                           {"GIT_AUTHOR_NAME": name, "GIT_AUTHOR_EMAIL": mail})
        self.compare(head, planned.after)
        return old, head

    def switch(self, old: str, head: str) -> None:
        """Make the branch and check it out, in a tree that has its files already; or do nothing."""
        name = self.run("symbolic-ref", "-q", "--short", "HEAD").stdout.strip() or old
        branch = f"refs/heads/{BRANCH}"
        self("update-ref", "--stdin", text=f"verify HEAD {old}\ncreate {branch} {head}\n")
        try:
            # Entries of other files stay as they are.
            self("read-tree", "-m", "-i", old, head)
            self("symbolic-ref", "-m", f"checkout: moving from {name} to {BRANCH}", "HEAD", branch)
        except BaseException:
            self.run("read-tree", "-m", "-i", head, old)
            self.run("update-ref", "-d", branch, head)
            raise


def said(done: subprocess.CompletedProcess[str]) -> str:
    """What a command has said, in one line."""
    return " ".join((done.stderr or done.stdout).split()) or f"it ended with {done.returncode}"


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Ignore signals that end us."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
    before = [signal.signal(n, signal.SIG_IGN) for n in numbers]
    try:
        yield
    finally:
        for n, handler in zip(numbers, before, strict=True):
            signal.signal(n, handler)


def version_of(top: Path = paths.TOP) -> str:
    """Our own version for the message, if we are a git repository with commits."""
    git = Git(top.resolve())
    done = git.run("describe", "--always", "--dirty", "--abbrev=12") if git.exists() else None
    return f", commit {done.stdout.strip()}" if done and not done.returncode else ""


# A folder in the tree, to be on its file system: what is to be moved into it, and what was there.
STAGE = ".rust-riscv-"
NEW, BEFORE = "new", "before"


def move(planned: Plan, stage: Path, then: Callable[[], object]) -> None:
    """Move all to its place and call a function; or change nothing, if anything of this fails.

    Files are replaced, not written to, since they may have hard links.
    """
    new, before = stage / NEW, stage / BEFORE
    names, made = [*planned.after, FOLDER], list[Path]()
    try:
        for name in names:
            target, kept = planned.tree / name, before / name
            kept.parent.mkdir(parents=True, exist_ok=True)
            if name in planned.before:
                target.rename(kept)
                if kept.read_text() != planned.before[name]:
                    raise StepFailed(f"{target} was changed meanwhile")
            for folder in [p for p in reversed(target.parents) if not p.exists()]:
                folder.mkdir()
                made.append(folder)
            if os.path.lexists(target):
                raise StepFailed(f"{target} is in the way")
            (new / name).rename(target)
        then()
    except BaseException as e:
        for name in reversed(names):
            try:
                put_back(planned, stage, name)
            except OSError as again:
                what = problem(e) if isinstance(e, OSError) else str(e) or "interrupted"
                raise StepFailed(f"{what}. {planned.tree / name} cannot be put back: "
                                 f"{again.strerror}; what was there before is in {before}") from e
        for folder in reversed(made):
            with suppress(OSError):
                folder.rmdir()
        raise


def put_back(planned: Plan, stage: Path, name: str) -> None:
    """Move one back, if it was moved."""
    target, new, before = planned.tree / name, stage / NEW / name, stage / BEFORE / name
    if not new.exists():
        if name != FOLDER and target.read_text() != planned.after[name]:
            raise FileExistsError(errno.EEXIST, "it was changed meanwhile")
        target.replace(new)
    if before.exists():
        if os.path.lexists(target):
            raise FileExistsError(errno.EEXIST, "it was changed meanwhile")
        before.replace(target)


def problem(e: OSError) -> str:
    """What has failed with which file of the tree, rather than one that we have put beside it."""
    names = [n for n in (e.filename, e.filename2) if n]
    name = next((n for n in names if STAGE not in str(n)), *names[:1])
    return f"{name}: {e.strerror}"


def put(given: str, top: Path = paths.TOP) -> str:
    """Put our sources and the series into a tree, and return what was done."""
    planned = plan(given, top)
    git = Git(planned.tree)
    done = f"{len(planned.series)} patches, and {len(planned.copied)} files in {FOLDER}/"
    then: Callable[[], object] = bool
    if git.exists():
        git.check()
    try:
        stage = Path(tempfile.mkdtemp(prefix=STAGE, dir=planned.tree))
        try:
            planned.stage(stage / NEW)
            if git.exists():
                old, head = git.commit_all(planned, stage)
                done = f"branch {BRANCH} at {head[:12]}: {done}"
                then = partial(git.switch, old, head)
            with uninterrupted():
                move(planned, stage, then)
                shutil.rmtree(stage / BEFORE)
        finally:
            with uninterrupted():
                # Not if something could not be put back.
                if not any(p.is_file() for p in (stage / BEFORE).rglob("*")):
                    shutil.rmtree(stage)
    except OSError as e:
        if e.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise StepFailed(problem(e)) from e
    return done


def kunit(options: Sequence[str], *more: str) -> list[str]:
    """The command, in the tree, that builds it all in and runs the KUnit suites."""
    return ["./tools/testing/kunit/kunit.py", "run", "--arch=riscv", f"--kunitconfig={FOLDER}",
            *(f"--make_options={o}" for o in options), "--qemu_args=-smp 4", *more]


def advice(planned: Plan, tools: dict[str, str]) -> str:
    """The commands to run next. Tools that make finds in PATH are not named."""
    options = [f"LLVM={tools['LLVM']}",
               *(f"{name}={tools[name]}" for name in ("RUSTC", "BINDGEN")
                 if tools[name] != shutil.which(name.lower())),
               *(f"{name}={tools[name]}" for name in ("RUST_LIB_SRC",) if tools.get(name))]
    return ("To build it all in, and to run the KUnit suites in QEMU:\n\n"
            f"    cd {shlex.quote(str(planned.tree))}\n    {shlex.join(kunit(options))}\n")


def results(report: dict[str, Any], path: tuple[str, ...] = ()) -> Results:
    """The results in a report of "kunit.py --json"."""
    found = Results()
    for case in report["test_cases"]:
        name = ".".join((*path, case["name"]))
        if case["status"] == "SKIP":
            found.all.append(Result(name, "skip"))
        else:
            found.add(name, case["status"] == "PASS", case["status"])
    for group in report["sub_groups"]:
        found.extend(results(group, (*path, group["name"])))
    return found


def suites(folder: Path) -> list[str]:
    """The KUnit suites of our sources."""
    return sorted(name for path in (folder / SUITES).rglob("*") if path.suffix in (".rs", ".awk")
                  for name in re.findall(r"kunit_tests\((\w+)\)", path.read_text()))


def run_kunit(tree: Path, tools: dict[str, str], folder: Path) -> Results:
    """Build a tree that has our sources in a folder, and run the suites."""
    report, console = folder / "kunit.json", folder / "test.log"
    folder.mkdir(exist_ok=True)
    for path in (report, console):
        path.unlink(missing_ok=True)
    options = [v for v in toolchain.make_variables(tools) if not v.startswith("ARCH=")]
    command = ["env", "-C", tree, *kunit(options, f"--build_dir={folder}", f"--json={report}",
                                         f"--jobs={toolchain.jobs()[2:]}", "--timeout=1800")]
    log = paths.LOGS / "in-tree.log"
    try:
        progress.run("all built into a kernel tree, with kunit.py", command, log,
                     env=toolchain.environment())
        failed = ""
    except StepFailed as e:
        # It fails if a test does.
        failed = str(e)
    found = results(json.loads(report.read_text())) if report.exists() else Results()
    if failed and not found.failures() or not found.all:
        found.add("kunit.py", False, failed or f"ran no test, see {log}")
    else:
        for suite in suites(tree / FOLDER):
            if not any(r.name.startswith(f"{suite}.") for r in found.all):
                found.add(suite, False, f"did not run, see {log}")
    if not console.exists():
        found.add("kernel log", False, f"there is none, see {log}")
        return found
    kept = paths.LOGS / "in-tree-console.log"
    shutil.copyfile(console, kept)
    complaints = kernlog.report(kept.read_text(errors="replace").splitlines(), kept)
    found.add("kernel log", not complaints, complaints)
    return found


# The bytes of a kernel with all that has no option switched off.
SIZE = 3_000_000_000


def boot_row(tools: dict[str, str]) -> Results:
    """Put all into a copy of the kernel source, and run the suites there."""
    src = source.get()
    tree = paths.cache() / "in-tree"
    with locked(paths.cache() / "in-tree.lock", "a kernel tree with our sources"):
        if tree.exists():
            store.remove(tree)
        with store.room(tree, "a kernel with our sources", SIZE):
            tree.mkdir(parents=True)
            kernel.copy_source(src, tree)
            put(str(tree))
            found = run_kunit(tree, tools, tree / ".kunit")
            store.remove(tree)
    return found
