# SPDX-License-Identifier: GPL-2.0
"""Changes properties of a flattened device tree (Devicetree Specification, chapter 5)."""

import struct

MAGIC = 0xD00DFEED
BEGIN_NODE, END_NODE, PROP, NOP, END = 1, 2, 3, 4, 9
HEADER = struct.Struct(">10I")


def padded(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % 4)


def word(value: int) -> bytes:
    return struct.pack(">I", value)


def string(blob: bytes, at: int) -> bytes:
    return blob[at:blob.index(b"\0", at)]


class Strings:
    """The strings block, which contains the names of properties."""

    def __init__(self, block: bytes):
        self.block = block

    def offset(self, name: bytes) -> int:
        found = (b"\0" + self.block).find(b"\0" + name + b"\0")
        if found < 0:
            found = len(self.block)
            self.block += name + b"\0"
        return found


def prop(strings: Strings, name: str, value: bytes) -> bytes:
    return word(PROP) + word(len(value)) + word(strings.offset(name.encode())) + padded(value)


def with_properties(blob: bytes, node: str, properties: dict[str, bytes]) -> bytes:
    """The tree with these properties of a node below its root changed or added."""
    (magic, _, structure, names, reserved, version, compatible, cpu, names_size,
     _) = HEADER.unpack_from(blob)
    if magic != MAGIC:
        raise ValueError("not a flattened device tree")
    strings = Strings(blob[names:names + names_size])
    out = b""
    at, path, found = structure, [], False
    while True:
        begin, token = at, struct.unpack_from(">I", blob, at)[0]
        at += 4
        keep = True
        if token == BEGIN_NODE:
            path.append(string(blob, at).decode())
            at += len(padded(path[-1].encode() + b"\0"))
        elif token == END_NODE:
            path.pop()
        elif token == PROP:
            size, name = struct.unpack_from(">II", blob, at)
            at += 8 + (size + 3) // 4 * 4
            keep = path != ["", node] or string(strings.block, name).decode() not in properties
        elif token == END:
            out += word(END)
            break
        elif token != NOP:
            raise ValueError(f"token {token} in a device tree")
        if keep:
            out += blob[begin:at]
        if token == BEGIN_NODE and path == ["", node]:
            found = True
            out += b"".join(prop(strings, *p) for p in properties.items())
    if not found:
        raise ValueError(f"no node {node} in the device tree")
    # The reservation block ends with an entry of two zeros.
    end = reserved
    while any(blob[end:end + 16]):
        end += 16
    reservations = blob[reserved:end + 16]
    at_reserved = (HEADER.size + 7) // 8 * 8
    at_structure = at_reserved + len(reservations)
    at_strings = at_structure + len(out)
    header = HEADER.pack(MAGIC, at_strings + len(strings.block), at_structure, at_strings,
                         at_reserved, version, compatible, cpu, len(strings.block), len(out))
    return header + reservations + out + strings.block
