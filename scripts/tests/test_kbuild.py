# SPDX-License-Identifier: GPL-2.0
"""What our Kbuild files build, evaluated by make without a kernel."""

import re
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

from harness import in_tree, paths

# What Kbuild has set when it includes a file of ours.
MAKEFILE = """
{config}
KBUILD_EXTMOD := {external}
VERSION := 7
PATCHLEVEL := 3
srctree := {srctree}
src := {folder}
obj := {folder}
include {folder}/Kbuild
$(foreach v,obj-y obj-m always-y targets clean-files rustflags-y,$(info $(v) = $($(v))))
.DEFAULT_GOAL := nothing
nothing:;@:
FORCE:
"""

CRATES = ("RUST_RISCV", "RUST_RISCV_PATCH", "RUST_RISCV_FAULT", "RUST_RISCV_SBI_IPI")
KERNEL = {"SMP": "y", "KUNIT": "y", "KPROBES": "y", "DYNAMIC_FTRACE": "y", "JUMP_LABEL": "y"}
BUILT_IN = KERNEL | dict.fromkeys(CRATES, "y")


class Kbuild(unittest.TestCase):
    def setUp(self) -> None:
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = Path(temporary.name)

    def make(self, folder: Path, config: dict[str, str], external: bool,
             srctree: Path | None = None) -> subprocess.CompletedProcess[str]:
        text = MAKEFILE.format(
            config="\n".join(f"CONFIG_{name} := {value}" for name, value in config.items()),
            external=folder if external else "", srctree=srctree or self.folder, folder=folder)
        return subprocess.run(["make", "-f", "-"], input=text, capture_output=True, text=True,
                              check=False)

    def evaluate(self, folder: Path, config: dict[str, str], external: bool = False,
                 srctree: Path | None = None) -> dict[str, list[str]]:
        done = self.make(folder, config, external, srctree)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return {name: value.split() for name, value in
                (line.split(" = ", 1) for line in done.stdout.splitlines())}

    def in_tree(self) -> Path:
        """Our sources, as they are in a kernel tree."""
        for name, path in in_tree.sources().items():
            target = self.folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
        # As Kbuild leaves it if it tries to build what is not there.
        (self.folder / in_tree.FOLDER / "rust/tests/bench").mkdir()
        return self.folder / in_tree.FOLDER

    def test_modules_of_any_kernel(self) -> None:
        found = self.evaluate(paths.TOP / "rust", KERNEL, external=True)
        self.assertEqual(found["obj-y"], [])
        for name in ("rust_riscv.o", "rust_riscv_fault.o", "rust_riscv_bench_barrier.o",
                     "rust_litmus.o", "rust_riscv_kunit_counts.o"):
            self.assertIn(name, found["obj-m"])
        self.assertEqual(self.evaluate(paths.TOP, KERNEL, external=True)["obj-m"],
                         ["rust/", "samples/rust/"])

    def test_a_kernel_that_has_the_sources(self) -> None:
        for value in ("y", "m"):
            done = self.make(paths.TOP, KERNEL | {"RUST_RISCV": value}, external=True)
            self.assertNotEqual(done.returncode, 0)
            self.assertRegex(done.stderr, rf"this kernel has these sources.*CONFIG_RUST_RISCV={value}")

    def test_a_kernel_with_older_hooks(self) -> None:
        header = self.folder / "arch/riscv/include/asm/text-patching.h"
        header.parent.mkdir(parents=True)
        header.write_text("int riscv_patch_provider_register(void);\n")
        done = self.make(paths.TOP / "rust", KERNEL | {"RUST": "y"}, external=True)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("this kernel has an older version of patches/", done.stderr)

        # "make clean" has no configuration.
        self.evaluate(paths.TOP / "rust", {}, external=True)

        header.write_text(header.read_text() + "unsigned long patch_text_kprobe(void);\n")
        found = self.evaluate(paths.TOP / "rust", KERNEL | {"RUST": "y"}, external=True)
        self.assertIn("rust_riscv_bench_patch.o", found["obj-m"])

    def test_built_in(self) -> None:
        found = self.evaluate(self.in_tree() / "rust", BUILT_IN)
        self.assertEqual(found["obj-y"], [f"{name.lower()}.o" for name in CRATES])
        self.assertEqual(found["obj-m"], [])

    def test_a_folder_of_a_kernel_tree(self) -> None:
        # make M=arch/riscv/rust_riscv, which builds as the kernel does.
        folder = self.in_tree()
        for config in (BUILT_IN, BUILT_IN | {"RUST_RISCV_PATCH": "m", "RUST_RISCV_FAULT": "n"}):
            for part in (folder, folder / "rust", folder / "samples/rust"):
                with self.subTest(config=config, part=part):
                    self.assertEqual(self.evaluate(part, config, external=True),
                                     self.evaluate(part, config))

    def test_a_folder_of_a_kernel_tree_without_the_options(self) -> None:
        # As make without M= does, it builds nothing.
        folder = self.in_tree()
        for part in (folder, folder / "rust", folder / "samples/rust"):
            found = self.evaluate(part, KERNEL, external=True)
            self.assertEqual((found["obj-y"], found["obj-m"], found["always-y"]), ([], [], []), part)

    def test_a_folder_of_a_kernel_tree_with_another_kernel(self) -> None:
        folder = self.in_tree()
        other = self.folder / "other"
        other.mkdir()
        found = self.evaluate(folder / "rust", KERNEL, external=True, srctree=other)
        self.assertEqual([n for n in found["obj-m"] if re.search("bench|ledger|litmus|meter", n)], [])
        self.assertIn("rust_riscv_kunit_engine.o", found["obj-m"])

    def test_no_compressed_instructions(self) -> None:
        flag = "-Ctarget-feature=-zca"
        for part in ("rust", "samples/rust"):
            for c, count in (({}, 1), ({"RISCV_ISA_C": "y"}, 0)):
                found = self.evaluate(paths.TOP / part, KERNEL | c, external=True)
                self.assertEqual(found["rustflags-y"].count(flag), count, (part, c))

    def test_samples_as_modules_of_built_in_crates(self) -> None:
        # "make modules" builds no object of the kernel, but the samples use the metadata.
        folder = self.in_tree() / "rust"
        for sample, crate in (("TEXT_TOGGLE", "patch/riscv_patch.o"),
                              ("CPUHP_OBSERVER", "riscv/riscv.o")):
            for value, wanted in (("m", [crate]), ("y", []), ("", [])):
                found = self.evaluate(folder, BUILT_IN | {f"SAMPLE_RUST_{sample}": value})
                self.assertEqual(found["always-y"], wanted, (sample, value))

    def test_what_is_generated_is_cleaned(self) -> None:
        # "make clean" has no configuration.
        everything = {"always-y", "targets", "clean-files"}
        for external in (True, False):
            folder = paths.TOP / "rust" if external else self.in_tree() / "rust"
            config = KERNEL if external else BUILT_IN | {"RUST_RISCV_KUNIT_TEST": "y"}
            cleaned = self.evaluate(folder, {}, external)
            made = [n for n in self.evaluate(folder, config, external)["targets"]
                    if "_generated." in n]
            self.assertIn("tests/kunit/counts/helpers_generated.rs", made)
            self.assertEqual(set(made) - {n for key in everything for n in cleaned[key]}, set())


class Dkms(unittest.TestCase):
    def test_not_for_a_kernel_that_has_the_sources(self) -> None:
        text = (paths.TOP / "dkms.conf").read_text()
        found = re.search(r'^BUILD_EXCLUSIVE_CONFIG="(.*)"$', text, re.MULTILINE)
        assert found
        self.assertEqual(found[1].split(), ["CONFIG_RUST", "CONFIG_MODULES", "!CONFIG_RUST_RISCV"])
