#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the golden values of tests/golden/data: a small GPT in PyTorch, one HDF5 file for each case.

    python3 scripts/make_golden.py [--output tests/golden/data] [--compare]

Needs torch, numpy and h5py. The outputs are committed, so only somebody who changes the model's mathematics runs this.
Weights are drawn as float32 and everything after them is computed in float64: the files hold the exact values rounded
once. --compare also runs float32 and prints how far it is from float64: what the tolerances of the test start from.
"""

import argparse
import math
import pathlib
import sys

try:
    import h5py
    import numpy as np
    import torch
    import torch.nn.functional as F
except ImportError as error:
    sys.exit(f"make_golden.py: {error}; try: pip install torch numpy h5py")

LAYERS, HIDDEN, HEADS, CONTEXT, VOCAB = 2, 15, 3, 11, 29
BATCH, LENGTH = 3, 11
STEPS = 10
LR, BETA1, BETA2, EPSILON, WEIGHT_DECAY = 1e-3, 0.9, 0.95, 1e-8, 0.1
IGNORED = -1

# Activation, tied head, every how many-th target is ignored (0: none), limit of the gradient norm. The norms stay above
# 1 for all ten steps; those of the last case fall below 2, so clipping ends on the way.
CASES = [
    ("gelu_tanh", True, 0, 1.0),
    ("gelu", True, 0, 1.0),
    ("relu", True, 0, 1.0),
    ("silu", True, 0, 1.0),
    ("gelu_tanh", False, 4, 2.0),
]

ACTIVATIONS = {
    "gelu_tanh": lambda z: F.gelu(z, approximate="tanh"),
    "gelu": F.gelu,
    "relu": F.relu,
    "silu": F.silu,
}


def parameter_shapes(tied):
    """Name and shape of each tensor in the order of the forward pass; weights are [out, in]."""
    H = HIDDEN
    shapes = {"token_embedding": (VOCAB, H), "position_embedding": (CONTEXT, H)}
    for layer in range(LAYERS):
        block = f"blocks.{layer}."
        shapes |= {block + "attention_norm.gain": (H,), block + "attention_norm.bias": (H,)}
        shapes |= {block + f"attention.{part}.weight": (H, H) for part in ("query", "key", "value")}
        shapes |= {block + f"attention.{part}.bias": (H,) for part in ("query", "key", "value")}
        shapes |= {block + "attention.output.weight": (H, H), block + "attention.output.bias": (H,)}
        shapes |= {block + "mlp_norm.gain": (H,), block + "mlp_norm.bias": (H,)}
        shapes |= {block + "mlp.up.weight": (4 * H, H), block + "mlp.up.bias": (4 * H,)}
        shapes |= {block + "mlp.down.weight": (H, 4 * H), block + "mlp.down.bias": (H,)}
    shapes |= {"final_norm.gain": (H,), "final_norm.bias": (H,)}
    if not tied:
        shapes["head.weight"] = (VOCAB, H)
    return shapes


def draw_weights(tied, generator):
    """Larger than a real initialization, and gains and biases random too, so that no term hides behind a 0 or a 1."""
    weights = {}
    for name, shape in parameter_shapes(tied).items():
        noise = torch.randn(shape, generator=generator, dtype=torch.float32)
        if name.endswith(".gain"):
            weights[name] = 1 + 0.2 * noise
        elif name.endswith(".bias"):
            weights[name] = 0.1 * noise
        elif "embedding" in name:
            weights[name] = 0.5 * noise
        else:
            weights[name] = noise / math.sqrt(shape[1])
    return weights


def linear(x, w, prefix):
    return x @ w[prefix + ".weight"].T + w[prefix + ".bias"]


def norm(x, w, prefix):
    return F.layer_norm(x, (HIDDEN,), w[prefix + ".gain"], w[prefix + ".bias"], eps=1e-5)


def attention(x, w, prefix):
    B, T, H = x.shape

    def heads(part):  # [B, A, T, D]
        return linear(x, w, prefix + part).view(B, T, HEADS, H // HEADS).transpose(1, 2)

    q, k, v = heads(".query"), heads(".key"), heads(".value")
    scores = q @ k.transpose(2, 3) / math.sqrt(H // HEADS)  # [B, A, T, T]
    future = torch.ones(T, T, dtype=torch.bool).triu(1)
    out = scores.masked_fill(future, -math.inf).softmax(dim=3) @ v
    return linear(out.transpose(1, 2).reshape(B, T, H), w, prefix + ".output")


def forward(w, tokens, activation, tied):
    """Logits [B, T, V]."""
    x = w["token_embedding"][tokens] + w["position_embedding"][: tokens.shape[1]]
    for layer in range(LAYERS):
        block = f"blocks.{layer}."
        x = x + attention(norm(x, w, block + "attention_norm"), w, block + "attention")
        up = ACTIVATIONS[activation](linear(norm(x, w, block + "mlp_norm"), w, block + "mlp.up"))
        x = x + linear(up, w, block + "mlp.down")
    return norm(x, w, "final_norm") @ w["token_embedding" if tied else "head.weight"].T


def loss_of(logits, targets):
    """Mean in nats over the targets that are not ignored."""
    return F.cross_entropy(logits.reshape(-1, VOCAB), targets.reshape(-1), ignore_index=IGNORED)


def run_case(initial, tokens, targets, activation, tied, clip_norm, dtype):
    """Everything a file holds, by dataset path."""
    w = {name: value.to(dtype).clone().requires_grad_() for name, value in initial.items()}
    logits = forward(w, tokens, activation, tied)
    loss = loss_of(logits, targets)
    loss.backward()
    values = {"/logits": logits.detach(), "/loss": loss.detach().reshape(1)}
    for name, weight in w.items():
        values["/weights/" + name] = initial[name]
        values["/gradients/" + name] = weight.grad.clone()

    # Matrices and embeddings decay; biases and norms, the vectors, do not.
    optimizer = torch.optim.AdamW(
        [
            {"params": [p for p in w.values() if p.dim() == 2], "weight_decay": WEIGHT_DECAY},
            {"params": [p for p in w.values() if p.dim() == 1], "weight_decay": 0.0},
        ],
        lr=LR, betas=(BETA1, BETA2), eps=EPSILON,
    )
    losses, norms = [], []
    for _ in range(STEPS):
        optimizer.zero_grad()
        loss = loss_of(forward(w, tokens, activation, tied), targets)
        loss.backward()
        grad_norm = torch.sqrt(sum((p.grad**2).sum() for p in w.values()))
        for p in w.values():
            p.grad *= min(1.0, clip_norm / grad_norm.item())
        optimizer.step()
        losses.append(loss.item())
        norms.append(grad_norm.item())
    values["/adamw/loss"] = torch.tensor(losses, dtype=torch.float64)
    values["/adamw/grad_norm"] = torch.tensor(norms, dtype=torch.float64)
    for name, weight in w.items():
        values["/adamw/weights/" + name] = weight.detach()
    return values


def text(value):
    """A fixed-length UTF-8 string, as Tessera writes and reads attributes."""
    return np.array(value.encode(), dtype=h5py.string_dtype("utf-8", len(value.encode())))


def write(path, values, tokens, targets, activation, tied, clip_norm):
    """Contiguous little-endian datasets, attributes as 64-bit integers and fixed-length strings."""
    with h5py.File(path, "w", libver=("v110", "v110")) as file:
        for key, value in {"layers": LAYERS, "hidden": HIDDEN, "heads": HEADS, "context": CONTEXT, "vocab": VOCAB,
                           "tied": int(tied)}.items():
            file.attrs.create(key, value, dtype="<i8")
        file.attrs["activation"] = text(activation)
        file.create_dataset("/tokens", data=tokens.numpy().astype("<i4"))
        file.create_dataset("/targets", data=targets.numpy().astype("<i4"))
        for name, value in values.items():
            wide = name in ("/loss", "/adamw/loss", "/adamw/grad_norm")
            file.create_dataset(name, data=value.numpy().astype("<f8" if wide else "<f4"))
        settings = [LR, BETA1, BETA2, EPSILON, WEIGHT_DECAY, clip_norm]
        file.create_dataset("/adamw/settings", data=np.array(settings, dtype="<f8"))
        file["/adamw/settings"].attrs["order"] = text("lr beta1 beta2 epsilon weight_decay clip_norm")
        file["/adamw"].attrs["clipping"] = text("gradients times min(1, clip_norm / norm)")
        file["/adamw"].attrs["decay"] = text("matrices and embeddings; not biases and norms")


def compare(name, exact, single):
    """Largest difference of float32 from float64 in each group of tensors, beside the largest value."""
    print(f"{name}: float32 against float64 (largest difference, largest value)")
    groups = {}
    for path, value in exact.items():
        if path.startswith("/weights/"):
            continue
        # Layers are alike: blocks.0.mlp.up.weight and blocks.1.mlp.up.weight are one line.
        group = path.replace("blocks.0.", "blocks.*.").replace("blocks.1.", "blocks.*.")
        difference = (single[path].double() - value).abs().max().item()
        old = groups.get(group, (0.0, 0.0))
        groups[group] = (max(old[0], difference), max(old[1], value.abs().max().item()))
    for group, (difference, largest) in groups.items():
        print(f"  {group:48s} {difference:9.2e} {largest:9.2e}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    default = pathlib.Path(__file__).resolve().parent.parent / "tests" / "golden" / "data"
    parser.add_argument("--output", type=pathlib.Path, default=default, help="folder for the files")
    parser.add_argument("--compare", action="store_true", help="print the error of float32")
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    for number, (activation, tied, ignore_every, clip_norm) in enumerate(CASES):
        generator = torch.Generator().manual_seed(20200528 + number)
        initial = draw_weights(tied, generator)
        tokens = torch.randint(VOCAB, (BATCH, LENGTH), generator=generator)
        targets = torch.randint(VOCAB, (BATCH, LENGTH), generator=generator)
        if ignore_every:
            targets.view(-1)[1::ignore_every] = IGNORED
        values = run_case(initial, tokens, targets, activation, tied, clip_norm, torch.float64)
        name = f"gpt_{activation}_{'tied' if tied else 'untied'}"
        path = arguments.output / f"{name}.h5"
        write(path, values, tokens, targets, activation, tied, clip_norm)
        print(f"{path.name}: {path.stat().st_size} bytes, loss {values['/loss'].item():.4f} -> "
              f"{values['/adamw/loss'][-1].item():.4f}, gradient norm {values['/adamw/grad_norm'][0].item():.3f} -> "
              f"{values['/adamw/grad_norm'][-1].item():.3f}")
        if arguments.compare:
            compare(name, values, run_case(initial, tokens, targets, activation, tied, clip_norm, torch.float32))


if __name__ == "__main__":
    main()
