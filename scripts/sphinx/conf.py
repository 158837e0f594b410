# SPDX-License-Identifier: GPL-2.0
"""Sphinx configuration for Documentation/: the kernel's, without what needs the kernel tree.

The kernel's own conf.py reads MAINTAINERS and the ABI files above the folder it builds.
srctree names the kernel tree whose extension marks up function names.
"""

import os
import sys
from pathlib import Path

kernel = Path(os.environ["srctree"])
sys.path[:0] = [str(kernel / "Documentation/sphinx"), str(kernel / "tools/lib/python")]

project = "rust-riscv"
extensions = ["automarkup"]
exclude_patterns = ["litmus-tests"]
html_theme = "alabaster"
highlight_language = "none"
smartquotes = False
