#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Adds 0.5 to one weight of a checkpoint and makes its checksums right again, from the description of the format alone."""
import ctypes
import struct
import sys

import h5py
import numpy

NAME = "token_embedding"

xxh3 = ctypes.CDLL("libxxhash.so.0").XXH3_64bits
xxh3.restype, xxh3.argtypes = ctypes.c_uint64, [ctypes.c_char_p, ctypes.c_size_t]


def sum64(values):
    word = numpy.arange(values.size, dtype=numpy.uint64) * numpy.uint64(0x9E3779B97F4A7C15)
    word += values.reshape(-1).view(numpy.uint32)
    word = (word ^ (word >> numpy.uint64(30))) * numpy.uint64(0xBF58476D1CE4E5B9)
    word = (word ^ (word >> numpy.uint64(27))) * numpy.uint64(0x94D049BB133111EB)
    return b"%016x" % int((word ^ (word >> numpy.uint64(31))).sum(dtype=numpy.uint64))


def digest(model):
    lines = [f"/model/{name} [{', '.join(map(str, model[name].shape))}] {model[name].attrs['sum64'].decode()}\n"
             for name in sorted(model)]
    text = "".join(lines).encode()
    return b"%016x" % xxh3(text, len(text))


with h5py.File(sys.argv[1], "r+") as file:
    model = file["/model"]
    for name in model:
        assert model[name].attrs["sum64"] == sum64(model[name][...]), name
    assert model.attrs["digest"] == digest(model)
    model[NAME][97, 0] += 0.5
    model[NAME].attrs.modify("sum64", sum64(model[NAME][...]))
    model.attrs.modify("digest", digest(model))

# The block in front of HDF5's part: words 0 to 7, then the extents of the tensors.
with open(sys.argv[1], "r+b") as file:
    content = bytearray(file.read())
    block_bytes, num_extents = struct.unpack_from("<Q8xQ", content, 32)
    metadata, end = b"", block_bytes
    for number in range(num_extents):
        offset, size = struct.unpack_from("<QQ", content, 64 + 16 * number)
        metadata += content[end:offset]
        end = offset + size
    metadata += content[end:]
    struct.pack_into("<Q", content, 40, xxh3(metadata, len(metadata)))
    struct.pack_into("<Q", content, 56, 0)
    struct.pack_into("<Q", content, 56, xxh3(bytes(content[:block_bytes]), block_bytes))
    file.seek(0)
    file.write(content[:block_bytes])
