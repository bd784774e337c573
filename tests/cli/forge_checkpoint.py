#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Changes a checkpoint so that every checksum is right, as only somebody who means to can.

forge_checkpoint.py FILE remove DATASET     takes a tensor away
forge_checkpoint.py FILE text NAME TEXT     begins a text of /run with TEXT, of the same length
"""
import sys

sys.dont_write_bytecode = True

import h5py
import numpy

from checkpoint_format import digest, seal

path, action, name = sys.argv[1:4]
with h5py.File(path, "r+") as file:
    if action == "remove":
        del file[name]
        file["/model"].attrs.modify("digest", digest(file["/model"]).encode())
    else:
        data = file["/run"][name]
        data[...] = numpy.frombuffer(sys.argv[4].encode().ljust(data.size), dtype=numpy.uint8)
seal(path)
