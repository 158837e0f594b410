# SPDX-License-Identifier: GPL-2.0
"""Tests of harness/kernlog.py."""

import unittest

from harness import kernlog

# Messages of the kernel, from its sources, as they are on a console.
TROUBLE = (
    "WARNING: CPU: 1 PID: 77 at kernel/trace/ftrace.c:2300 ftrace_bug+0x1c/0x2a8",
    "WARNING: kernel/smp.c:815 at smp_call_function_many_cond+0x1c/0x2a8, CPU#1: sh/77",
    "BUG: sleeping function called from invalid context at kernel/locking/mutex.c:591",
    "BUG: workqueue lockup - pool cpus=1 node=0 flags=0x0 nice=0 stuck for 34s!",
    "BUG: Bad page state in process sh  pfn:82345",
    "BUG: Bad page map in process sh  pte:20c8 pmd:20c8",
    "BUG: Bad rss-counter state mm:00000000 type:MM_FILEPAGES val:1 Comm:sh Pid:1",
    "BUG kmalloc-64 (Tainted: G           O): Poison overwritten",
    "watchdog: BUG: soft lockup - CPU#0 stuck for 60s! [sh:1]",
    "CPU1: Watchdog detected hard LOCKUP on cpu 1",
    "kernel BUG at kernel/stop_machine.c:420!",
    "Kernel BUG [#1]",
    "Oops - illegal instruction [#1]",
    "Unexpected page fault in kernel [#2]",
    "Insufficient stack space to handle exception!",
    "Fixing recursive fault but reboot is needed!",
    "Failed to recover from reentered kprobes.",
    "ftrace_ops: Counter called 1999 times (expected 2000)",
    "SMP: failed to stop secondary CPUs 1-3",
    "CPU1 failed to report dead state",
    "CPU1 failed to report alive state",
    "CPU1: failed to come online",
    "CPU1: unhandled IPI9",
    "CPU 1 UP state rust_riscv/sbi-ipi:starting (42) failed (-22)",
    "sbi_rfence: hbase = [0] hmask = [0xf] failed (error [-22])",
    "csd: Detected non-responsive CSD lock (#1) on CPU#0, waiting 5 ns for CPU#01 f(f).",
    "csd: CSD lock (#1) got unstuck on CPU#00, CPU#01 released the lock.",
    "sched_clock on CPU 1 went backward by 1 ns",
    "NOHZ tick-stop error: local softirq work is pending, handler #08!!!",
    "Failed to broadcast timer tick. Some CPUs may be unresponsive.",
    "clocksource: Marking clocksource riscv_clocksource unstable due to inter CPU skew",
    "irq 12: nobody cared (try booting with the \"irqpoll\" option)",
    "Spurious percpu IRQ5 on CPU1",
    "irq event 12: bogus return value ffff",
    "huh, entered softirq 3 NET_RX 00000000 with preempt_count 00000101, exited with 00000100?",
    "kretprobe: Return address not found, not execute handler. Maybe there is a bug in the kernel.",
    "------------[ ftrace bug ]------------",
    "ftrace failed to modify ",
    "Bad trampoline accounting at: 00000000 (f+0x0/0x8) (1)",
    "__call_rcu_common(): Double-freed CB 00000000->f+0x0/0x8()!!!",
    "INFO: task sh:77 blocked for more than 122 seconds.",
    "INFO: task sh:77 is blocked on a mutex likely owned by task sh:78.",
    "INFO: NMI handler (f) took too long to run: 1.000 msecs",
    "INFO: trying to register non-static key.",
    "INFO: rcu_preempt detected expedited stalls on CPUs/tasks: { 1-.... }",
    "rcu: INFO: rcu_sched self-detected stall on CPU",
    "rcu: rcu_sched kthread starved for 21003 jiffies! g1 f0x0 RCU_GP_WAIT_FQS(5)",
    "rcu: rcu_sched kthread timer wakeup didn't happen for 21003 jiffies! g1 f0x0",
    "unregister_netdevice: waiting for lo to become free. Usage count = 2",
    "sh: page allocation failure: order:0, mode:0xcc0(GFP_KERNEL), nodemask=(null)",
    "sh[77]: unhandled signal 11 code 0x1 at 0x0000000000000000",
    "BUG: KASAN: slab-use-after-free in f+0x0/0x8",
    "riscv: Checked W+X mappings: FAILED, 1 W+X pages found",
    "rust_kernel: panicked at rust/riscv/text/plan.rs:12:5:",
    "kobject: kobject_add_internal failed for x with -EEXIST, don't try to register things",
    "---[ end trace 0000000000000000 ]---",
    "Modules linked in: rust_riscv(O)",
    "1 messages dropped",
)

# Lines of logs of guests without errors.
WELL = (
    "riscv: Checked W+X mappings: passed, no W+X pages found",
    "smp: Brought up 1 node, 4 CPUs",
    "rcu: Hierarchical SRCU implementation.",
    "rcu: RCU restricting CPUs from NR_CPUS=64 to nr_cpu_ids=4.",
    "clocksource: riscv_clocksource: mask: 0xffffffffffffffff max_cycles: 0x24e6a1710",
    "rust_riscv: loading out-of-tree module taints kernel.",
    "test_kprobes: loading test module taints kernel.",
    "kprobes: kprobe jump-optimization is enabled.",
    "ftrace: allocating 34 entries in 1 pages",
    "CPU1: off",
    # On a slow host, not an error.
    "HART1 isn't stopped; status 0",
    "CPU1 may not have stopped",
    "CPU1: failed to start",
    "guest: ok check-bug: selftest of -bug",
    "guest: result c ftrace: [7] Test ftrace-bug and debug files [PASS]",
    "    ok 3 a_bug_is_found",
    "reboot: Power down",
)


class Complaints(unittest.TestCase):
    def test_trouble_is_seen(self) -> None:
        for text in TROUBLE:
            for stamp in ("[    3.141593] ", "[    3.141593][    T1] ", "[    3.141593][   C1] "):
                with self.subTest(stamp + text):
                    self.assertEqual(kernlog.complaints(["", stamp + text]), [1])

    def test_clean_log(self) -> None:
        for text in WELL:
            with self.subTest(text):
                self.assertEqual(kernlog.complaints([f"[    3.141593][    T1] {text}"]), [])

    def test_files_that_the_guest_sends_are_ignored(self) -> None:
        line = "[    3.141593][    T1] guest-c-7: WARNING: CPU: 1 PID: 77 at f"
        self.assertEqual(kernlog.complaints([line]), [])
        # Other lines of the guest are checked.
        self.assertEqual(kernlog.complaints(["[    3.1] guest: WARNING: f"]), [0])

    def test_excerpt(self) -> None:
        lines = [str(n) for n in range(100)]
        self.assertEqual(kernlog.excerpt(lines, 1, before=3, after=2), "    0\n    1\n    2")
