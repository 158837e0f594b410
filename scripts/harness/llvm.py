# SPDX-License-Identifier: GPL-2.0
"""Finds LLVM's programs, from the value of LLVM= for the kernel's make."""


def program(tools: dict[str, str], name: str) -> str:
    """The program's name or path: LLVM is 1, a suffix such as -19, or a folder's path and "/"."""
    llvm = tools["LLVM"]
    if llvm == "1":
        return name
    return f"{llvm}{name}" if llvm.endswith("/") else f"{name}{llvm}"
