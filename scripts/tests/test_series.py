# SPDX-License-Identifier: GPL-2.0
"""Tests of series.py and harness/upstream.py, and of our series."""

import re
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

from harness import hooked, paths, upstream
from harness.progress import StepFailed
from harness.source import Source
from harness.upstream import COVER, FIXES, RFC

README = """
| times faster than C | 1 hart | 8 harts |
|---|---|---|
| tracer on / off | 6.2 / 6.3 | 43 |
| a key | | 2.2 |

(`make bench`, QEMU.)

Ratios are too good.

More.
"""

PATCH = """\
From 0000000000000000000000000000000000000000 Mon Sep 17 00:00:00 2001
From: A <a@example.org>
Date: Sat, 21 Nov 2026 08:00:00 +0000
Subject: [PATCH {number}] mm: a subject that is so long that git writes it in
 two lines

A message.
{trailer}
Signed-off-by: A <a@example.org>
---
 mm/a.c | 1 +
 1 file changed, 1 insertion(+)

--- a/mm/a.c
+++ b/mm/a.c
{hunk}"""

TEXT = "".join(f"{n}\n" for n in range(20))
FIRST = "@@ -3,3 +3,4 @@\n 2\n 3\n+x\n 4\n"
# Its line numbers are those of a file that the first patch has not changed.
SECOND = "@@ -12,3 +12,4 @@\n 11\n 12\n+y\n 13\n"


class Text(unittest.TestCase):
    def test_table_of_the_readme(self) -> None:
        self.assertEqual(upstream.measured(README).splitlines(), [
            "  times faster than C     1 hart  8 harts",
            "  tracer on / off      6.2 / 6.3       43",
            "  a key                               2.2",
            "", "(make bench, QEMU.)", "", "Ratios are too good."])
        with self.assertRaises(StepFailed):
            upstream.measured(README.replace("times faster", "times slower"))

    def test_cover_letter(self) -> None:
        text = ("Subject: s\nChange-Id: 1-x\nCc: l@example.org\n\nBased on @A@:\n\n@B@\n---\n"
                "Changes in v2:\n- b\n\nChanges in v1:\n- a\n")
        letter = upstream.letter(text, {"A": "7.3", "B": "  one\n  two\n"})
        self.assertEqual((letter.subject, letter.change, letter.copy, letter.version,
                          letter.prefix), ("s", "1-x", "l@example.org", 2, ""))
        rfc = upstream.letter(text.replace("Cc:", "Prefix: RFC\nCc:"), {"A": "", "B": ""})
        self.assertEqual((rfc.prefix, rfc.copy), ("RFC", "l@example.org"))
        self.assertEqual(letter.body, "Based on 7.3:\n\n  one\n  two")
        self.assertEqual(letter.changelog, "Changes in v2:\n- b\n\nChanges in v1:\n- a")
        with self.assertRaises(KeyError):
            upstream.letter(text, {"A": "7.3"})
        with self.assertRaises(StepFailed):
            upstream.letter(text.partition("---")[0], {"A": "", "B": ""})

    def test_recipients(self) -> None:
        said = ('Ada <a@example.org> (maintainer:"RISC-V")\n'
                'Bob <b@example.org> (reviewer:RISC-V,added_lines:1)\n'
                'l@example.org (open list:RISC-V)')
        self.assertEqual(upstream.recipients(said), (
            ["Ada <a@example.org>"], ["Bob <b@example.org>", "l@example.org"]))


class Series(unittest.TestCase):
    def setUp(self) -> None:
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        tree = self.folder / "linux"
        (tree / "mm").mkdir(parents=True)
        (tree / "mm/a.c").write_text(TEXT)
        (tree / "Makefile").write_text(
            "VERSION = 7\nPATCHLEVEL = 3\nSUBLEVEL = 4\nEXTRAVERSION =\n")
        self.src = Source(tree, "", "", private=True)
        self.patches = self.folder / "patches"
        self.patches.mkdir()

    def patch(self, name: str, hunk: str, trailer: str = "") -> Path:
        path = self.patches / name
        path.write_text(PATCH.format(number="7/9", hunk=hunk, trailer=trailer))
        return path

    def test_fixes_first(self) -> None:
        fix = self.patch("0001-a.patch", FIRST, "\nFixes: 123456789012 (\"x\")")
        hook = self.patch("0002-b.patch", SECOND)
        self.assertEqual(upstream.split([fix, hook]), ([fix], [hook]))
        with self.assertRaises(StepFailed):
            upstream.split([hook, fix])

    def test_for_newer_kernels_only(self) -> None:
        patch = self.patch("0001-a.patch", FIRST)
        self.assertTrue(upstream.is_for(patch, "5.0.1"))
        patch = self.patch("0001-a.patch", FIRST, "\nCc: stable@vger.kernel.org # 7.3+")
        self.assertEqual([v for v in ("6.12.9", "7.2.13", "7.3.0-rc1", "7.10.1")
                          if upstream.is_for(patch, v)], ["7.3.0-rc1", "7.10.1"])

    def test_exports(self) -> None:
        patch = self.patch("0001-a.patch", "@@ -1 +1,4 @@\n+EXPORT_SYMBOL_GPL(a);\n"
                           "+EXPORT_SYMBOL(b);\n EXPORT_SYMBOL(c);\n"
                           "+EXPORT_SYMBOL_FOR_MODULES(d, \"m\");\n")
        self.assertEqual(upstream.broad_exports([patch]), ["a", "b"])

    def test_git_am(self) -> None:
        good = self.patch("0001-a.patch", FIRST)
        bad = self.patch("0002-b.patch", SECOND.replace(" 12\n", " twelve\n"))
        repo = upstream.Repository(self.folder / "work", self.src, [good, bad])
        self.assertEqual(repo.am([good]), "")
        self.assertIn("0002-b.patch", repo.am([bad]))
        self.assertEqual(repo.contents(), {"mm/a.c": TEXT.replace("3\n4", "3\nx\n4", 1)})

    def test_git_am_that_needs_a_merge(self) -> None:
        self.patch("0001-a.patch", FIRST)
        upstream.refresh(self.patches, self.src, self.folder / "refreshed")
        patches = hooked.series(self.patches)
        older = self.folder / "older"
        shutil.copytree(self.src.tree, older)
        (older / "mm/a.c").write_text(TEXT.replace("\n6\n", "\nsix\n"))
        repo = upstream.Repository(self.folder / "work", Source(older, "", "", private=True),
                                   patches)
        self.assertIn("0001-", repo.am(patches, merge=True))
        repo.know(self.src)
        self.assertIn("0001-", repo.am(patches))
        self.assertEqual(repo.am(patches, merge=True), "")
        self.assertEqual(repo.merged[-1:], patches)

    def test_refresh(self) -> None:
        self.patch("0001-a.patch", FIRST)
        self.patch("0005-b.patch", SECOND, "\nMore.\n")
        upstream.refresh(self.patches, self.src, self.folder / "work")
        names = [f"000{n}-mm-a-subject-that-is-so-long-that-git-writes-it-in-t.patch"
                 for n in (1, 2)]
        found = hooked.series(self.patches)
        self.assertEqual([p.name for p in found], names)
        text = found[1].read_text()
        self.assertIn("Subject: [PATCH 2/2] mm: a subject that is so long", text)
        self.assertIn("\nFrom: A <a@example.org>\nDate: Sat, 21 Nov 2026 08:00:00 +0000\n", text)
        self.assertIn("\n\nA message.\n\nMore.\n\nSigned-off-by: A <a@example.org>\n---\n", text)
        self.assertIn("@@ -12,6 +12,7 @@", text)
        upstream.refresh(self.patches, self.src, self.folder / "again")
        self.assertEqual(found[1].read_text(), text)

    def test_written(self) -> None:
        patches = [self.patch("0001-a.patch", FIRST), self.patch("0002-b.patch", SECOND)]
        upstream.refresh(self.patches, self.src, self.folder / "refreshed")
        patches = hooked.series(self.patches)
        repo = upstream.Repository(self.folder / "work", self.src, patches)
        self.assertEqual(repo.am(patches), "")
        cover = upstream.Letter("all of it", "1-x", "r@example.org", "The body.", "Changes in v2:\n- b")
        out = self.folder / "out"
        written = upstream.write(repo, out, repo.base, cover,
                                 "M <m@example.org> (maintainer:MM)\nl@example.org (open list)",
                                 ["1234"])
        self.assertEqual([p.name[:8] for p in written], ["v2-0000-", "v2-0001-", "v2-0002-"])
        first = written[0].read_text()
        self.assertIn("\nSubject: [PATCH v2 0/2] all of it\n", first)
        self.assertIn("\nTo: M <m@example.org>\nCc: l@example.org,\n    r@example.org\n", first)
        self.assertIn("\n\nThe body.\n\n---\nChanges in v2:\n- b\n\n---\nA (2):\n", first)
        self.assertIn("\n mm/a.c | 2 ++\n", first)
        self.assertTrue(first.endswith("---\nprerequisite-patch-id: 1234\nchange-id: 1-x\n"))
        cover.prefix = "RFC"
        self.assertIn("\nSubject: [PATCH RFC v2 1/2] mm: ",
                      upstream.write(repo, self.folder / "rfc", repo.base, cover, "")[1].read_text())
        # The identities are what git says of the files that are sent.
        ids = [subprocess.run(["git", "patch-id", "--stable"], input=p.read_text(), text=True,
                              capture_output=True, check=True).stdout.split()[0]
               for p in written[1:]]
        self.assertEqual(upstream.patch_ids(repo, repo.base), ids)


class Ours(unittest.TestCase):
    def test_as_git_writes_them(self) -> None:
        for folder in (paths.PATCHES, FIXES, RFC):
            patches = hooked.series(folder)
            self.assertTrue(patches)
            for n, patch in enumerate(patches, 1):
                text = patch.read_text()
                subject = upstream.subject(patch)
                name = re.sub(r"[^A-Za-z0-9._]+", "-", subject).strip("-")
                self.assertEqual(patch.name, f"{n:04}-{name}"[:57] + ".patch")
                width = len(str(len(patches)))
                self.assertIn(f"\nSubject: [PATCH {n:0{width}}/{len(patches)}] ", text)
                for field in ("From", "Date"):
                    self.assertRegex(text, f"(?m)^{field}: .*[0-9>]$")
                self.assertRegex(text, r"(?m)^Signed-off-by: .*>\n---\n .* \| ")

    def test_fixes_are_first(self) -> None:
        fixes, hooks = upstream.split(hooked.series())
        self.assertTrue(fixes and hooks)
        self.assertTrue(all(map(upstream.is_fix, hooked.series(FIXES))))

    def test_cover_letters(self) -> None:
        texts = dict.fromkeys(("MEASURED", "MAINTAINERS", "VERSION", "NEEDED", "EXPORTS"), "x")
        for folder in (paths.PATCHES, FIXES, RFC):
            letter = upstream.letter((folder / COVER).read_text(), texts)
            self.assertLessEqual(len(letter.subject), 70)
            self.assertGreaterEqual(letter.version, 1)
            self.assertEqual(letter.prefix, "RFC" if folder == RFC else "")
        self.assertIn("8 harts", upstream.measured((paths.TOP / "README.md").read_text()))


    def test_rfc_does_not_name_us(self) -> None:
        for patch in hooked.series(RFC):
            added = re.findall(r"(?m)^\+(?!M:\t).*", patch.read_text())
            self.assertTrue(added)
            self.assertFalse([line for line in added if "riscv" in line.lower()])


class Files(unittest.TestCase):
    def test_no_orig_or_rej_files_in_patches(self) -> None:
        for patch in sorted(paths.PATCHES.glob("**/*.patch")):
            with self.subTest(patch=patch.name):
                self.assertNotRegex(patch.read_text(), r"(?m)^\+\+\+ \S+\.(orig|rej)$")


if __name__ == "__main__":
    unittest.main()
