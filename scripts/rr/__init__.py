# SPDX-License-Identifier: GPL-2.0
"""Build a kernel, build our modules against it, boot them, read what happened."""
