#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What h5py and numpy see in a checkpoint, as JSON: names, shapes, numbers of each tensor and its checksum computed
anew. Fails if the first block is not what the description of the format asks for."""
import json
import sys

sys.dont_write_bytecode = True

import h5py
import numpy

from checkpoint_format import VERSION, FirstBlock, digest, sum64

path = sys.argv[1]
with open(path, "rb") as raw:
    block = FirstBlock(raw.read())
assert block.magic == b"TESSERA\n" and block.version == VERSION
assert block.file_bytes == len(block.content)
assert block.metadata_hash == block.right_metadata_hash()
assert block.block_hash == block.right_block_hash()

tensors = []


def visit(name, data):
    if not isinstance(data, h5py.Dataset) or name.startswith("run/"):
        return
    assert data.dtype == numpy.dtype("<f4") and data.chunks is None, name
    assert block.is_tensor(data.id.get_offset(), data.id.get_storage_size()), name
    values = data[...]
    wide = values.astype(numpy.float64)
    assert data.attrs["sum64"].decode() == sum64(values), name
    tensors.append({"path": "/" + name, "shape": list(data.shape), "norm": float(numpy.sqrt((wide * wide).sum())),
                    "mean": float(wide.mean()), "min": float(wide.min()), "max": float(wide.max()),
                    "sum64": sum64(values)})


with h5py.File(path) as file:
    file.visititems(visit)
    run, model = file["/run"], file["/model"]
    assert file.attrs["format"] == b"tessera checkpoint" and file.attrs["format_version"] == VERSION
    assert block.step == run.attrs["step"]
    assert model.attrs["digest"].decode() == digest(model)
    found = {name: int(run.attrs[name]) for name in ("step", "updates", "skips", "tokens")}
    found["mesh"] = run.attrs["mesh"].decode()
    found["tokenizer_fingerprint"] = run.attrs["tokenizer_fingerprint"].decode()
    for name in ("version", "config", "tokenizer"):
        found[name] = bytes(run[name][...]).decode()
    found["digest"] = digest(model)
found["tensors"] = sorted(tensors, key=lambda tensor: tensor["path"])
print(json.dumps(found))
