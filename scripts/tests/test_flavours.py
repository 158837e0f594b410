# SPDX-License-Identifier: GPL-2.0
"""Tests of harness/flavours.py, and of the configurations of kernels."""

import tempfile
import unittest
from pathlib import Path
from unittest import mock

import stress
from harness import (
    debian,
    guest,
    initramfs,
    kernel,
    matrix,
    opensbi,
    paths,
    programs,
    source,
    store,
    suite,
)
from harness.flavours import FLAVOURS, Flavour
from harness.guest import Limits, Machine
from harness.kernel import Kernel
from harness.progress import StepFailed

TOOLS = {"QEMU": "qemu", "OPENSBI": "fw_dynamic.bin", "LLVM": "1", "RUSTC": "", "RUSTDOC": "",
         "BINDGEN": "", "CLANG_VERSION": "", "RUSTC_VERSION": "", "BINDGEN_VERSION": ""}

ROWS: tuple[matrix.Row, ...] = (
    *matrix.TEST, *matrix.TEST_FULL, *matrix.SPIKE, *matrix.SELFTESTS_FULL, *matrix.STRESS_FULL,
    *matrix.LEDGER_FULL, *matrix.FAULTS_FULL)


def command(flavour: str, machine: Machine) -> list[str]:
    k = Kernel(Path("tree"), flavour, True, "7.3.4", "", f"7.3.4-{flavour}", "kin")
    return [str(a) for a in guest.command(k, TOOLS, Path("initramfs"), machine)]


class Table(unittest.TestCase):
    def test_each_extends_the_ordinary_configuration(self) -> None:
        for name, flavour in FLAVOURS.items():
            self.assertTrue(flavour.fragment.startswith(FLAVOURS["ordinary"].fragment), name)

    def test_each_configuration_is_used(self) -> None:
        used = {c for flavour in FLAVOURS.values() for c in flavour.configs}
        there = {p.stem for p in (paths.SCRIPTS / "config").glob("*.config")}
        self.assertEqual(used, there)

    def test_each_is_booted_by_the_full_suite(self) -> None:
        self.assertEqual({row.flavour for row in matrix.TEST_FULL}, set(FLAVOURS))

    def test_flavours_booted_without_hooks_are_built_without_hooks(self) -> None:
        for row in ROWS:
            self.assertTrue(row.hooked or FLAVOURS[row.flavour].stock, row.name)

    def test_without_a_shell_there_is_one_script(self) -> None:
        for row in ROWS:
            if not FLAVOURS[row.flavour].compressed:
                self.assertIs(type(row), matrix.Row, row.name)
                self.assertEqual(row.script, "test", row.name)

    def test_atomic_fetch_is_forced_on_one_hart_only(self) -> None:
        for row in ROWS:
            if row.parameters.get("atomic_fetch"):
                self.assertEqual(row.smp, 1, row.name)

    def test_without_smp_there_is_one_hart(self) -> None:
        self.assertEqual({row.smp for row in ROWS if row.flavour == "up"}, {1})

    def test_names_of_guests_are_unique(self) -> None:
        names = [row.name for row in (*matrix.TEST_FULL, *matrix.STRESS_FULL)]
        self.assertEqual(len(names), len(set(names)))


class Command(unittest.TestCase):
    def value(self, flavour: str, option: str, machine: Machine) -> str:
        line = command(flavour, machine)
        return line[line.index(option) + 1]

    def test_memory_of_the_flavour(self) -> None:
        self.assertEqual(self.value("ordinary", "-m", Machine()), "1024M")
        self.assertEqual(self.value("debug", "-m", Machine()), "2048M")

    def test_memory_of_the_machine_comes_first(self) -> None:
        self.assertEqual(self.value("debug", "-m", Machine(memory="300M")), "300M")

    def test_harts_of_the_flavour(self) -> None:
        self.assertEqual(self.value("ordinary", "-cpu", Machine()), "rv64")
        self.assertEqual(self.value("no-c", "-cpu", Machine()), "rv64,c=false")

    def test_options_of_the_flavour(self) -> None:
        self.assertEqual(self.value("distribution", "-seed", Machine()), "1")
        self.assertNotIn("-seed", command("ordinary", Machine()))


class Boot(unittest.TestCase):
    """What a guest is given, with everything that is built in mocks."""

    def boot(self, flavour: str, script: Path = suite.SCRIPT) -> tuple[str, mock.Mock]:
        k = Kernel(Path("tree"), flavour, True, "7.3.4", "", f"7.3.4-{flavour}", "kin")
        with tempfile.TemporaryDirectory() as folder, \
                mock.patch.object(paths, "BUILD", Path(folder)), \
                mock.patch.object(programs, "init", return_value=Path("init")), \
                mock.patch.object(programs, "build",
                                  return_value={"programs/bpf_fentry": Path("bpf_fentry")}), \
                mock.patch.object(opensbi, "without_c", return_value=Path("no-c")), \
                mock.patch.object(initramfs, "build") as image, \
                mock.patch.object(guest, "boot") as booted:
            suite.boot(k, {**TOOLS, "QEMU_VERSION": "10.1"}, {}, "x", Machine(), Limits(),
                       mock.Mock(), load=(), script=script)
        line = [str(a) for a in booted.call_args[0][0]]
        return line[line.index("-bios") + 1], image

    def test_compressed(self) -> None:
        bios, image = self.boot("ordinary")
        self.assertEqual(bios, "fw_dynamic.bin")
        self.assertIsNone(image.call_args.kwargs["init"])
        self.assertIsNone(image.call_args.args[4])

    def test_not_compressed(self) -> None:
        bios, image = self.boot("no-c")
        self.assertEqual(bios, "no-c/fw_dynamic.bin")
        self.assertEqual(image.call_args.kwargs["init"], Path("init"))
        self.assertEqual(list(image.call_args.args[4]), ["programs/bpf_fentry"])

    def test_a_script_needs_a_shell(self) -> None:
        with self.assertRaisesRegex(StepFailed, "have no shell"):
            self.boot("no-c", script=Path("shell.sh"))


class Initramfs(unittest.TestCase):
    def names(self, init: Path | None) -> list[str]:
        cpio = mock.Mock()
        with mock.patch.object(debian, "busybox", return_value=Path(__file__)):
            initramfs.fill(cpio, Path(__file__), [], {}, {}, init)
        return [call.args[0] for call in cpio.add.call_args_list]

    def test_with_a_shell(self) -> None:
        names = self.names(None)
        self.assertLessEqual({"bin/busybox", "bin/sh", "init", "functions", "script"}, set(names))

    def test_with_a_program_instead(self) -> None:
        names = self.names(Path(__file__))
        self.assertIn("init", names)
        self.assertIn("settings", names)
        self.assertFalse({"bin/busybox", "bin/sh", "functions", "script"} & set(names))


class Configure(unittest.TestCase):
    def configure(self, fragment: str, config: str) -> None:
        with tempfile.TemporaryDirectory() as folder, \
                mock.patch("harness.progress.run"), \
                mock.patch.dict(FLAVOURS, {"x": mock.Mock(fragment=fragment)}):
            tree = Path(folder)
            (tree / "obj").mkdir()
            (tree / "obj/.config").write_text(config)
            kernel.configure(TOOLS, tree, "x")

    def test_the_last_value_counts(self) -> None:
        self.configure("CONFIG_A=y\nCONFIG_A=n\n", "# CONFIG_A is not set\n")
        self.configure("CONFIG_B=8\nCONFIG_B=64\n", "CONFIG_B=64\n")

    def test_options_that_the_kernel_refuses(self) -> None:
        with self.assertRaisesRegex(StepFailed, r"CONFIG_A=y \(is n\)"):
            self.configure("CONFIG_A=y\n", "")
        with self.assertRaisesRegex(StepFailed, r"CONFIG_B=n \(is 8\)"):
            self.configure("CONFIG_B=8\nCONFIG_B=n\n", "CONFIG_B=8\n")


class Variables(unittest.TestCase):
    """Of make, for the kernel."""

    def kernel_of(self, flavour: str) -> Kernel:
        with mock.patch.object(kernel, "hooks_digest", return_value=""):
            return kernel.describe(mock.Mock(identity="", version="7"), flavour, True, TOOLS,
                                   paths.PATCHES)

    def made(self, flavour: str) -> list[str]:
        with mock.patch("harness.progress.run") as run:
            kernel.compile_kernel(self.kernel_of(flavour), TOOLS, Path("tree"))
        return [str(a) for a in run.call_args.args[1]]

    def test_of_the_kernel(self) -> None:
        self.assertIn("KRUSTFLAGS=-Ctarget-feature=-zca", self.made("no-c"))
        self.assertFalse([a for a in self.made("ordinary") if a.startswith("KRUSTFLAGS")])

    def test_options_of_make_change_the_name_of_the_kernel(self) -> None:
        before = self.kernel_of("no-c").name
        with mock.patch.dict(FLAVOURS, {"no-c": Flavour(FLAVOURS["no-c"].configs)}):
            self.assertNotEqual(self.kernel_of("no-c").name, before)


class Build(unittest.TestCase):
    """Which kernels are built for one, with everything else in mocks."""

    def built(self, flavour: Flavour, hooks: bool) -> list[bool]:
        made = []

        def build_in(k: Kernel, *_: object) -> None:
            made.append(k.hooked)

        with tempfile.TemporaryDirectory() as folder, \
                mock.patch.dict("os.environ", CACHE=folder), \
                mock.patch.dict(FLAVOURS, {"x": flavour}), \
                mock.patch.object(source, "get", return_value=mock.Mock(identity="", version="7")), \
                mock.patch.object(kernel, "hooks_digest", return_value=""), \
                mock.patch.object(kernel, "build_in", build_in), \
                mock.patch.object(kernel, "install"), \
                mock.patch.object(store, "free", return_value=1 << 60):
            kernel.build("x", hooks, TOOLS)
        return made

    def test_one_that_is_booted_without_hooks(self) -> None:
        self.assertEqual(self.built(Flavour(("ordinary",), stock=True), True), [False, True])

    def test_one_that_is_not_booted_without_hooks(self) -> None:
        self.assertEqual(self.built(Flavour(("ordinary",)), True), [True])

    def test_without_hooks(self) -> None:
        self.assertEqual(self.built(Flavour(("ordinary",)), False), [False])


class Stress(unittest.TestCase):
    def test_no_kernel_that_only_the_full_suite_has(self) -> None:
        chosen = {row.flavour for row in stress.chosen("")}
        self.assertEqual(chosen, {"ordinary", "debug"})

    def test_one_that_is_named(self) -> None:
        self.assertEqual([row.flavour for row in stress.chosen("rt")], ["rt"])
