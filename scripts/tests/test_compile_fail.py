# SPDX-License-Identifier: GPL-2.0
"""Tests of harness/compile_fail.py, with a shell script as the compiler."""

import tempfile
import unittest
from pathlib import Path

from harness import compile_fail, paths

# A compiler that prints the errors in the source, with and without --cfg misuse.
RUSTC = """#!/bin/sh
for word in "$@"; do source=$word; done
case "$*" in
*"--cfg misuse"*) sed -n 's/^misuse: //p' "$source" ;;
*) sed -n 's/^right: //p' "$source" ;;
esac > "$source.errors"
[ -s "$source.errors" ] || exit 0
cat "$source.errors" >&2
echo "error: aborting due to 1 previous error" >&2
exit 1
"""
GOOD = "// expect: E0382: use of moved\nmisuse: error[E0382]: use of moved value: `x`\n"


class Files(unittest.TestCase):
    def setUp(self) -> None:
        self.top = Path(self.enterContext(tempfile.TemporaryDirectory()))
        (self.top / compile_fail.FOLDER).mkdir(parents=True)
        self.rustc = self.top / "rustc"
        self.rustc.write_text(RUSTC)
        self.rustc.chmod(0o755)

    def run_files(self, **files: str) -> dict[str, str]:
        for name, text in files.items():
            (self.top / compile_fail.FOLDER / f"{name}.rs").write_text(text)
        found = compile_fail.on_host({"RUSTC": str(self.rustc)}, self.top)
        return {r.name: r.status for r in found.all}

    def test_the_expected_error(self) -> None:
        self.assertEqual(self.run_files(x=GOOD), {"compile_fail.x": "pass",
                                                  "compile_fail.x_right_use": "pass"})

    def test_no_valid_expectation_fails_by_name(self) -> None:
        for header in ("// expct: E0382: use of moved", "// expect:E0382: use of moved",
                       "// expect: ", "/// expect: E0382: use", ""):
            with self.subTest(header):
                text = header + "\n" + GOOD.split("\n", 1)[1]
                self.assertEqual(self.run_files(x=text), {"compile_fail.x": "fail"})

    def test_compiling_misuse_fails(self) -> None:
        self.assertEqual(self.run_files(x=GOOD.split("\n")[0] + "\n")["compile_fail.x"], "fail")

    def test_another_error(self) -> None:
        for said in ("error[E0382]: borrow of moved value", "error[E0499]: use of moved value"):
            with self.subTest(said):
                found = self.run_files(x=f"// expect: E0382: use of moved\nmisuse: {said}\n")
                self.assertEqual(found["compile_fail.x"], "fail")

    def test_one_error_more(self) -> None:
        found = self.run_files(x=GOOD + "misuse: error: something else\n")
        self.assertEqual(found["compile_fail.x"], "fail")

    def test_right_use_that_does_not_compile_fails(self) -> None:
        found = self.run_files(x=GOOD + "right: error: something else\n")
        self.assertEqual(found["compile_fail.x_right_use"], "fail")

    def test_files_for_a_kernel_are_not_run_on_the_host(self) -> None:
        found = self.run_files(x=GOOD, y="// needs: kernel\n" + GOOD)
        self.assertNotIn("compile_fail.y", found)
        self.assertEqual(self.run_files(y="// need: kernel\n" + GOOD)["compile_fail.y"], "pass")

    def test_files_for_a_cfg_are_skipped_without_it(self) -> None:
        for name, cfg in (("y", "one"), ("z", "two")):
            text = f"// needs: kernel with {cfg}\n{GOOD}"
            (self.top / compile_fail.FOLDER / f"{name}.rs").write_text(text)
        found = compile_fail.check_all([str(self.rustc)], self.top, self.top, {"one"})
        self.assertEqual({r.name: r.status for r in found.all},
                         {"compile_fail.y": "pass", "compile_fail.y_right_use": "pass",
                          "compile_fail.z": "skip"})

    def test_no_files_fail(self) -> None:
        self.assertEqual(self.run_files(), {"compile_fail": "fail"})


class OurFiles(unittest.TestCase):
    def test_each_expects_something(self) -> None:
        for source in (paths.TOP / compile_fail.FOLDER).glob("*.rs"):
            with self.subTest(source.name):
                text = source.read_text()
                self.assertRegex(text, compile_fail.EXPECT)
                self.assertRegex(text, r"cfg\((?:not\()?misuse\)")
