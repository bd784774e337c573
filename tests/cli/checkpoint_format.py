# SPDX-License-Identifier: Apache-2.0
"""Checksums and first block of a checkpoint, from the description of the format alone (io/checkpoint/checksum.hpp,
user_block.hpp): what reads and changes files here without our code."""
import ctypes
import struct

import numpy

VERSION = 3

xxh3 = ctypes.CDLL("libxxhash.so.0").XXH3_64bits
xxh3.restype, xxh3.argtypes = ctypes.c_uint64, [ctypes.c_char_p, ctypes.c_size_t]


def sum64(values):
    word = numpy.arange(values.size, dtype=numpy.uint64) * numpy.uint64(0x9E3779B97F4A7C15)
    word += values.reshape(-1).view(numpy.uint32)
    word = (word ^ (word >> numpy.uint64(30))) * numpy.uint64(0xBF58476D1CE4E5B9)
    word = (word ^ (word >> numpy.uint64(27))) * numpy.uint64(0x94D049BB133111EB)
    return "%016x" % int((word ^ (word >> numpy.uint64(31))).sum(dtype=numpy.uint64))


def digest(model):
    """Of the group /model, from the sums that stand in it."""
    lines = [f"/model/{name} [{', '.join(map(str, model[name].shape))}] {model[name].attrs['sum64'].decode()}\n"
             for name in sorted(model)]
    text = "".join(lines).encode()
    return "%016x" % xxh3(text, len(text))


class FirstBlock:
    """The words in front of HDF5's part, and the checksums that they should have."""

    def __init__(self, content):
        self.content = bytearray(content)
        self.magic = bytes(content[:8])
        (self.version, self.file_bytes, self.step, self.block_bytes, self.metadata_hash, num_extents,
         self.block_hash) = struct.unpack_from("<7Q", content, 8)
        self.extents = [struct.unpack_from("<QQ", content, 64 + 16 * number) for number in range(num_extents)]

    def right_metadata_hash(self):
        metadata, end = b"", self.block_bytes
        for offset, size in self.extents:
            metadata += self.content[end:offset]
            end = offset + size
        metadata += self.content[end:]
        return xxh3(metadata, len(metadata))

    def right_block_hash(self):
        block = self.content[:self.block_bytes]
        struct.pack_into("<Q", block, 56, 0)
        return xxh3(bytes(block), self.block_bytes)

    def is_tensor(self, offset, size):
        return any(first <= offset and offset + size <= first + length for first, length in self.extents)


def seal(path):
    """Makes the first block of a changed file right again."""
    with open(path, "r+b") as file:
        block = FirstBlock(file.read())
        struct.pack_into("<Q", block.content, 16, len(block.content))
        struct.pack_into("<Q", block.content, 40, block.right_metadata_hash())
        struct.pack_into("<Q", block.content, 56, block.right_block_hash())
        file.seek(0)
        file.write(block.content[:block.block_bytes])
