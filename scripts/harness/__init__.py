# SPDX-License-Identifier: GPL-2.0
"""Builds a kernel and our modules, boots them in a guest, and evaluates the results."""
