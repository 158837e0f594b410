# SPDX-License-Identifier: GPL-2.0
"""Runs our concurrent types under loom: rust/tests/loom/, with C code of the hooked kernel."""

import re
import subprocess
from pathlib import Path

from harness import functions, paths, toolchain
from harness.hooked import Tree
from harness.progress import StepFailed
from harness.results import Results

FOLDER = paths.TOP / "rust/tests/loom"

TEST = re.compile(r"^test models::(\S+) \.\.\. (ok|FAILED)$", re.MULTILINE)

PATCH = "arch/riscv/kernel/patch.c"
PATCH_HEADER = "arch/riscv/include/asm/text-patching.h"
# The functions that register a provider, and those that call it.
PATCH_FUNCTIONS = (
    "get_patch_provider", "patch_write", "patch_insn_write", "patch_text_nosync",
    "patch_text_queue_many", "patch_text_queue", "patch_provider_sync", "patch_text_drain",
    "patch_text_sync", "patch_text_breakpoint",
    "patch_text_lock", "patch_text_unlock", "riscv_patch_provider_register",
    "riscv_patch_provider_unregister")
FAULT = "arch/riscv/mm/fault.c"
FAULT_HEADER = "arch/riscv/include/asm/fault_provider.h"
FAULT_FUNCTIONS = ("riscv_fault_provider_register", "riscv_fault_provider_unregister",
                   "has_fault_provider", "provided_vma")

# Declarations from elsewhere in the kernel, and functions that the models call.
PATCH_MORE = """
static DEFINE_MUTEX(text_mutex);

int patch_fixmap_write(void *addr, const void *insns, size_t len);
int patch_text_nosync(void *addr, const void *insns, size_t len);
int patch_text_drain(void);

static struct riscv_patch_provider __rcu *patch_provider;
"""
PATCH_CALLS = """
void loom_text_lock(void)
{
	mutex_lock(&text_mutex);
}

void loom_text_unlock(void)
{
	mutex_unlock(&text_mutex);
}

const size_t loom_patch_provider[] = {
	offsetof(struct riscv_patch_provider, fallback),
	offsetof(struct riscv_patch_provider, write),
	offsetof(struct riscv_patch_provider, set),
	offsetof(struct riscv_patch_provider, patch),
	offsetof(struct riscv_patch_provider, queue),
	offsetof(struct riscv_patch_provider, sync),
	offsetof(struct riscv_patch_provider, breakpoint),
	sizeof(struct riscv_patch_provider),
};

const size_t loom_patch_text[] = {
	offsetof(struct riscv_patch_text, addr),
	offsetof(struct riscv_patch_text, bytes),
	offsetof(struct riscv_patch_text, len),
	offsetof(struct riscv_patch_text, first),
	offsetof(struct riscv_patch_text, literal),
	sizeof(struct riscv_patch_text),
};

const size_t loom_patch_flush[] = { RISCV_PATCH_FLUSH_NONE, RISCV_PATCH_FLUSH_THIS };
"""
# The beginning of handle_page_fault(), for a fault in user mode.
FAULT_CALLS = """
struct vm_area_struct *loom_user_fault(struct mm_struct *mm, unsigned long addr,
				       unsigned long cause)
{
	return has_fault_provider() ? provided_vma(mm, addr, cause) : NULL;
}
"""


def some_functions(tree: Tree, path: str, names: tuple[str, ...]) -> str:
    """Copy functions from a file of the kernel."""
    lines = tree.read(path).splitlines()
    found: dict[str, str] = {}
    for f in functions.find(path, tree.read(path)):
        found.setdefault(f.name, "\n".join(lines[f.first:f.last + 1]))
    if missing := [n for n in names if n not in found]:
        raise StepFailed(f"{path} of the kernel has no {', '.join(missing)}")
    return "\n\n".join(found[n] for n in names) + "\n"


def piece(tree: Tree, path: str, pattern: str) -> str:
    """The only part of a file of the kernel that matches."""
    m = re.search(pattern, tree.read(path), re.MULTILINE | re.DOTALL)
    if not m:
        raise StepFailed(f"{path} of the kernel has no {pattern}")
    return m.group(0) + "\n"


def c_sources(tree: Tree) -> dict[str, str]:
    """The C code of the hooks that the models run."""
    head = '#include "linux.h"\n\nstruct pt_regs;\nstruct mm_struct;\nstruct vm_area_struct;\n\n'
    variables = piece(tree, FAULT, r"^static DEFINE_STATIC_KEY_FALSE\(fault_provider_key\);.*?"
                                   r"^static struct vm_area_struct \*\(\*user_fault\)\([^;]*;")
    return {
        "patch.c": head + piece(tree, PATCH_HEADER, r"^enum riscv_patch_flush \{.*?^\};") +
        piece(tree, PATCH_HEADER, r"^struct riscv_patch_text \{.*?^\};") +
        piece(tree, PATCH_HEADER, r"^struct riscv_patch_provider \{.*?^\};") +
        PATCH_MORE + some_functions(tree, PATCH, PATCH_FUNCTIONS) + PATCH_CALLS,
        "fault.c": head + piece(tree, FAULT_HEADER, r"^struct riscv_fault_provider \{.*?^\};") +
        variables + some_functions(tree, FAULT, FAULT_FUNCTIONS) + FAULT_CALLS,
    }


def prepare(tree: Tree, folder: Path) -> None:
    """Write the C code of the hooks to where the crate's build script reads it."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in c_sources(tree).items():
        path = folder / name
        # Unchanged files are not written, so that they are not compiled again.
        if not path.exists() or path.read_text() != text:
            path.write_text(text)


def run(tools: dict[str, str], tree: Tree) -> Results:
    results = Results()
    hooks = paths.BUILD / "loom-hooks"
    try:
        prepare(tree, hooks)
    except StepFailed as e:
        results.add("loom", False, str(e))
        return results
    r = subprocess.run([tools["CARGO"], "test", "--locked", "--manifest-path",
                        FOLDER / "Cargo.toml", "--target-dir", paths.BUILD / "loom"],
                       stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
                       env=toolchain.environment() | {
                           "RUST_BACKTRACE": "0", "RUSTC": tools["RUSTC"],
                           "RUSTDOC": tools["RUSTDOC"], "LOOM_HOOKS": str(hooks)})
    for name, verdict in TEST.findall(r.stdout):
        results.add(f"loom: {name}", verdict == "ok", r.stdout[-2000:])
    if not results.all or (r.returncode and not results.failures()):
        results.add("loom", False, r.stdout[-1000:] + r.stderr[-2000:])
    return results
