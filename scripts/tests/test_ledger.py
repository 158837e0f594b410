# SPDX-License-Identifier: GPL-2.0
"""Tests of harness/ledger.py."""

import unittest
from unittest import mock

from harness import ledger, matrix
from harness.guest import Boot
from harness.ledger import Counts, Operation
from harness.matrix import Bound
from harness.progress import StepFailed

NAMES = ("kernel-fence.i", "firmware-fence.i", "kernel-sfence.vma", "firmware-sfence.vma",
         "table-stores", *ledger.FUNCTIONS)


def counted(**numbers: int) -> Counts:
    """A line of the plugin. In the names of numbers "_" stands for "-" and "."."""
    found = dict.fromkeys(NAMES, 0)
    for name, number in numbers.items():
        found[next(n for n in NAMES if n.replace("-", "_").replace(".", "_") == name)] = number
    return found


def line(**numbers: int) -> str:
    return " ".join(f"{name}={number}" for name, number in counted(**numbers).items())


# One flush_icache_all() on 4 harts: by the firmware, and by IPIs of the kernel.
BY_SBI = {"flush_icache_all": 1, "sbi_remote_fence_i": 1, "kernel_fence_i": 1,
          "firmware_fence_i": 4}
BY_IPI = {"flush_icache_all": 1, "smp_call_function_many_cond": 1, "kernel_fence_i": 5,
          "ipi_remote_fence_i": 4}

# The costs of each operation of known cost, on 4 harts with SBI IPIs.
KNOWN: dict[str, Counts] = {
    "known-nothing": {},
    "known-flush": BY_SBI,
    "known-call": {"smp_call_function_many_cond": 1, "kernel_fence_i": 4},
    "known-stop": {"stop_cpus": 1},
    "known-translations": {"sbi_remote_sfence_vma_asid": 1, "firmware_sfence_vma": 4},
    "known-edit": {"table_stores": 1},
}


def operation(name: str, numbers: Counts, ipi: str = "sbi") -> Operation:
    counts = ledger.columns(counted(**numbers), "c", 4, ipi)
    return Operation(name, 4, ipi, {"c": [counts], "rust": [counts]})


def all_known() -> list[Operation]:
    return [operation(name, numbers) for name, numbers in KNOWN.items()]


class Columns(unittest.TestCase):
    def test_flush_by_sbi_and_by_ipi(self) -> None:
        for ipi, numbers in (("sbi", BY_SBI), ("imsic", BY_IPI)):
            with self.subTest(ipi):
                columns = ledger.columns(counted(**numbers), "c", 4, ipi)
                self.assertEqual((columns["flushes"], columns["calls"], columns["interrupted"]),
                                 (1, 0, 3))

    def test_flush_on_one_hart_calls_nobody(self) -> None:
        columns = ledger.columns(counted(flush_icache_all=1, kernel_fence_i=1), "c", 1,
                                 "imsic")
        self.assertEqual((columns["flushes"], columns["calls"], columns["interrupted"]), (1, 0, 0))

    def test_tlb_flush_by_ipi(self) -> None:
        columns = ledger.columns(counted(smp_call_function_many_cond=1,
                                         __ipi_flush_tlb_range_asid=4), "c", 4, "imsic")
        self.assertEqual((columns["tlb-flushes"], columns["calls"], columns["interrupted"]),
                         (1, 0, 3))

    def test_fills_apart(self) -> None:
        for side, harts, flushes in (("c", 4, 1), ("rust", 4, 1), ("c", 1, 1), ("rust", 1, 3)):
            columns = ledger.columns(counted(flush_icache_all=3, patch_text_set_nosync=2), side,
                                     harts, "sbi")
            self.assertEqual((columns["flushes"], columns["fills"]), (flushes, 2))

    def test_call_on_one_hart_is_none(self) -> None:
        numbers = counted(smp_call_function_many_cond=1, kernel_fence_i=1)
        counts = ledger.columns(numbers, "c", 1, "sbi")
        self.assertEqual((counts["calls"], counts["interrupted"]), (0, 0))
        found = Operation("known-call", 1, "sbi", {"c": [counts], "rust": [counts]})
        self.assertEqual(ledger.known(found), (True, ""))

    def test_a_stop_interrupts_all_others(self) -> None:
        self.assertEqual(operation("o", {"stop_cpus": 2}).least("c")["interrupted"], 6)


class Operations(unittest.TestCase):
    SAID = ("ok insmod", "ledger c a", "ok c a", "ledger rust a", "ledger c a", "ledger rust a")

    def test_by_side_and_the_least(self) -> None:
        written = [line(stop_cpus=n) for n in (5, 1, 4, 2)]
        (found,) = ledger.operations(list(self.SAID), written, 4, "sbi")
        self.assertEqual((found.least("c")["stops"], found.least("rust")["stops"]), (4, 1))

    def test_a_line_for_each_cost(self) -> None:
        written = [line(stop_cpus=n) for n in (5, 0, 4, 0)]
        (found,) = ledger.operations(list(self.SAID), written, 4, "sbi")
        self.assertEqual(found.lines(), ["ledger: a.stops harts=4 ipi=sbi c=4 rust=0",
                                         "ledger: a.interrupted harts=4 ipi=sbi c=12 rust=0"])

    def test_operation_not_counted(self) -> None:
        with self.assertRaisesRegex(StepFailed, "4 operations, and 3 were counted"):
            ledger.operations(list(self.SAID), [line()] * 3, 4, "sbi")


class Known(unittest.TestCase):
    def test_each(self) -> None:
        self.assertEqual(KNOWN.keys(), ledger.KNOWN.keys())
        for found in all_known():
            with self.subTest(found.name):
                self.assertEqual(ledger.known(found), (True, ""))

    def test_by_ipi(self) -> None:
        self.assertEqual(ledger.known(operation("known-flush", BY_IPI, "imsic")), (True, ""))

    def test_one_hart_missed(self) -> None:
        numbers = {**BY_SBI, "firmware_fence_i": 3}
        self.assertEqual(ledger.known(operation("known-flush", numbers)),
                         (False, "interrupted: 2 with c, not 3"))

    def test_not_counted_with_rust(self) -> None:
        found = operation("known-stop", KNOWN["known-stop"])
        del found.sides["rust"]
        self.assertFalse(ledger.known(found)[0])


class Bounds(unittest.TestCase):
    BOUND = Bound("ftrace-enable", "flushes", 1)

    def failures(self, *found: Operation, functions: int = 1, bound: Bound = BOUND) -> list[str]:
        with mock.patch.object(matrix, "LEDGER_BOUNDS", (bound,)):
            return [r.name for r in ledger.bounds(list(found), functions).failures()]

    def test_reached(self) -> None:
        found = operation("ftrace-enable", BY_SBI)
        self.assertEqual(self.failures(*all_known(), found), [])

    def test_one_too_many(self) -> None:
        found = operation("ftrace-enable", {**BY_SBI, "flush_icache_all": 2})
        self.assertEqual(self.failures(*all_known(), found), ["ledger.ftrace-enable.flushes"])

    def test_per_hart(self) -> None:
        found = operation("ftrace-enable", BY_SBI)
        for per_hart, failures in ((1, []), (0, ["ledger.ftrace-enable.interrupted"])):
            bound = Bound("ftrace-enable", "interrupted", 0, per_hart)
            self.assertEqual(self.failures(*all_known(), found, bound=bound), failures)

    def test_one_too_few(self) -> None:
        found = operation("keys-enable", BY_SBI)
        for minimum, failures in ((1, []), (2, ["ledger.keys-enable.flushes"])):
            bound = Bound("keys-enable", "flushes", 2, minimum=minimum)
            tracer = operation("ftrace-enable", BY_SBI)
            self.assertEqual(self.failures(*all_known(), tracer, found, bound=bound), failures)

    def test_one_too_few_in_one_round(self) -> None:
        found = operation("keys-enable", BY_SBI)
        flushes = found.least("rust")["flushes"]
        for rounds, failures in (((flushes - 1, flushes), []),
                                 ((flushes - 1, flushes - 1), ["ledger.keys-enable.flushes"])):
            found.sides["rust"] = [{**found.least("rust"), "flushes": n} for n in rounds]
            bound = Bound("keys-enable", "flushes", flushes, minimum=flushes)
            tracer = operation("ftrace-enable", BY_SBI)
            self.assertEqual(self.failures(*all_known(), tracer, found, bound=bound), failures)

    def test_bound_of_c(self) -> None:
        found = operation("ftrace-enable", BY_SBI)
        found.sides["c"] = [{**found.least("c"), "flushes": 3}]
        for side, failures in (("rust", []), ("c", ["ledger.ftrace-enable.flushes.c"])):
            bound = Bound("ftrace-enable", "flushes", 1, minimum=1, side=side)
            self.assertEqual(self.failures(*all_known(), found, bound=bound), failures)

    def test_no_minimum_on_one_hart(self) -> None:
        bound = Bound("keys-enable", "flushes", 5, minimum=5)
        self.assertEqual((bound.least(1), bound.least(2)), (0, 5))

    def test_flushes_for_other_harts_have_a_minimum(self) -> None:
        exact = {bound.operation for bound in matrix.LEDGER_BOUNDS
                 if bound.column == "flushes" and bound.side == "rust" and
                 bound.least(2) == bound.most(2) > 0}
        self.assertEqual(exact, {"key-enable", "key-disable", "keys-enable", "keys-disable",
                                 "module-load", "module-load-traced", "provider-load",
                                 *(f"bpf-{what}-{times}" for what in ("attach", "detach")
                                   for times in (1, 100))})

    def test_no_operations(self) -> None:
        self.assertEqual(len(self.failures()), len(KNOWN) + 2)

    def test_too_few_flushes_by_c(self) -> None:
        found = operation("ftrace-enable", BY_SBI)
        self.assertEqual(self.failures(*all_known(), found, functions=2),
                         ["ledger.C flushes for each function"])

    def test_each_bound_is_of_a_column(self) -> None:
        columns = ledger.columns(counted(), "c", 1, "sbi")
        for bound in matrix.LEDGER_BOUNDS:
            self.assertIn(bound.column, columns)


class Read(unittest.TestCase):
    def test_invalid_output_of_the_guest(self) -> None:
        boot = Boot(outcome="exit", status=0,
                    lines=["[    1.000000][    T1] guest: not ok c ftrace-enable: EBUSY"])
        row = matrix.LEDGER[0]
        names = [r.name for r in ledger.read(boot, [line()], row).results.failures()]
        self.assertEqual(names, ["c ftrace-enable", "ledger"])


class Machine(unittest.TestCase):
    MAP = "\n".join(f"ffffffff8000{n:04x} T {name}" for n, name in enumerate(ledger.FUNCTIONS))

    def test_addresses(self) -> None:
        self.assertEqual(ledger.addresses(self.MAP)[ledger.FUNCTIONS[1]], "ffffffff80000001")

    def test_a_function_that_is_gone(self) -> None:
        with self.assertRaisesRegex(StepFailed, "stop_cpus"):
            ledger.addresses(self.MAP.replace("stop_cpus", "stop_them"))

    def test_interface(self) -> None:
        self.assertEqual([ledger.interface(v) for v in ("8.2.2", "9.0.0", "10.0.2", "10.1.0")],
                         [1, 2, 2, 5])


class Unable(unittest.TestCase):
    def test_a_qemu_that_was_not_tried(self) -> None:
        with mock.patch.object(ledger, "has_plugins", lambda _: True):
            for version, any_qemu, is_able in (("10.0.2", False, True), ("9.2.0", False, True),
                                               ("10.1.0", False, False), ("11.1.3", True, True)):
                reason = ledger.unable({"QEMU": "qemu", "QEMU_VERSION": version}, any_qemu)
                self.assertEqual(not reason, is_able, version)

    def test_a_qemu_without_plugins(self) -> None:
        with mock.patch.object(ledger, "has_plugins", lambda _: False):
            self.assertIn("no plugins", ledger.unable({"QEMU": "q", "QEMU_VERSION": "9.0"}, True))
