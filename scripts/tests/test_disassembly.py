# SPDX-License-Identifier: GPL-2.0
"""Tests of disassembly.py."""

import unittest

import disassembly

SAVE, RESTORE = disassembly.IRQ_SAVE, disassembly.IRQ_RESTORE
CODE = """
0000000000000000 <riscv::text::look_up>:
       0:      	auipc	ra, 0x0
		0000000000000000:  R_RISCV_CALL_PLT	rust_riscv_irq_save
       8:      	csrr	s1, satp
       c:      	ld	a0, 0x0(a1)
      10:      	auipc	ra, 0x0
		0000000000000010:  R_RISCV_CALL_PLT	rust_riscv_irq_restore
"""


class Satp(unittest.TestCase):
    def failures(self, *tokens: str) -> list[str]:
        results = disassembly.check_satp({"riscv::text::look_up": list(tokens)})
        return [r.name for r in results.failures()]

    def test_walks_with_interrupts_off(self) -> None:
        code = disassembly.functions(CODE)
        self.assertEqual(code, {"riscv::text::look_up": [SAVE, "csrr satp", "ld", RESTORE]})
        self.assertEqual(disassembly.check_satp(code).failures(), [])

    def test_interrupts_are_on(self) -> None:
        for tokens in (("csrr satp", "ld"), (SAVE, RESTORE, "csrr satp", "ld"),
                       (SAVE, "csrr satp", RESTORE, "ld"), ("csrr satp", SAVE, "ld", RESTORE),
                       (SAVE, "csrr satp", "ld"), (SAVE, "csrr satp", "ld", RESTORE, "ld")):
            with self.subTest(tokens):
                self.assertEqual(
                    self.failures(*tokens),
                    ["page tables: riscv::text::look_up walks them with interrupts off"])

    def test_an_early_exit(self) -> None:
        self.assertEqual(self.failures(SAVE, "csrr satp", RESTORE, "ld", "sd", RESTORE, "sd"), [])

    def test_no_function_reads_satp(self) -> None:
        self.assertEqual(self.failures("ld"), ["page tables: satp is read"])
