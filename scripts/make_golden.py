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
from typing import NamedTuple

try:
    import h5py
    import numpy as np
    import torch
    import torch.nn.functional as F
except ImportError as error:
    sys.exit(f"make_golden.py: {error}; try: pip install torch numpy h5py")

import bf16_emulation

LAYERS, HIDDEN, HEADS, CONTEXT, VOCAB = 2, 15, 3, 11, 29
BATCH, LENGTH = 3, 11
STEPS = 10
LR, BETA1, BETA2, EPSILON, WEIGHT_DECAY = 1e-3, 0.9, 0.95, 1e-8, 0.1
IGNORED = -1


class Case(NamedTuple):
    name: str
    activation: str
    tied: bool
    ignore_every: int  # every how many-th target is ignored; 0: none
    clip_norm: float  # limit of the gradient norm


# The norms stay above 1 for all ten steps; those of the last case fall below 2, so clipping ends on the way.
CASES = [
    Case("gpt_gelu_tanh_tied", "gelu_tanh", True, 0, 1.0),
    Case("gpt_gelu_tied", "gelu", True, 0, 1.0),
    Case("gpt_relu_tied", "relu", True, 0, 1.0),
    Case("gpt_silu_tied", "silu", True, 0, 1.0),
    Case("gpt_gelu_tanh_untied", "gelu_tanh", False, 4, 2.0),
]


class Variant(NamedTuple):
    """Logits, loss and gradients of a case's weights in another run, in a file of their own."""

    case: str
    window: int  # of the odd layers, as model.attention = alternating has it; 0: all layers are dense
    bf16: bool

    def name(self):
        return self.case + ("_banded" if self.window else "") + ("_bf16" if self.bf16 else "")


VARIANTS = [
    Variant("gpt_gelu_tanh_tied", 0, True),
    Variant("gpt_gelu_tanh_untied", 0, True),
    Variant("gpt_silu_tied", 4, False),
    Variant("gpt_silu_tied", 4, True),
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
    return F.linear(x, w[prefix + ".weight"], w[prefix + ".bias"])


def norm(x, w, prefix):
    return F.layer_norm(x, (HIDDEN,), w[prefix + ".gain"], w[prefix + ".bias"], eps=1e-5)


def visible(length, window):
    """Whether the query (row) sees the key (column): none of the future; of a window the nearest, its own included."""
    seen = torch.ones(length, length, dtype=torch.bool).tril()
    return seen.triu(1 - window) if window else seen


def visible_in(layer, length, window):
    """Even layers are dense, odd ones banded."""
    return visible(length, window if layer % 2 == 1 else 0)


def attention(x, w, prefix, seen):
    B, T, H = x.shape

    def heads(part):  # [B, A, T, D]
        return linear(x, w, prefix + part).view(B, T, HEADS, H // HEADS).transpose(1, 2)

    q, k, v = heads(".query"), heads(".key"), heads(".value")
    if torch.is_autocast_enabled("cpu"):  # as one calls PyTorch for speed; its scores are not rounded
        out = F.scaled_dot_product_attention(q, k, v, attn_mask=seen)
    else:
        scores = q @ k.transpose(2, 3) / math.sqrt(H // HEADS)  # [B, A, T, T]
        out = scores.masked_fill(~seen, -math.inf).softmax(dim=3) @ v
    return linear(out.transpose(1, 2).reshape(B, T, H), w, prefix + ".output")


def forward(w, tokens, case, window=0):
    """Logits [B, T, V]."""
    x = w["token_embedding"][tokens] + w["position_embedding"][: tokens.shape[1]]
    for layer in range(LAYERS):
        block = f"blocks.{layer}."
        seen = visible_in(layer, tokens.shape[1], window)
        x = x + attention(norm(x, w, block + "attention_norm"), w, block + "attention", seen)
        up = ACTIVATIONS[case.activation](linear(norm(x, w, block + "mlp_norm"), w, block + "mlp.up"))
        x = x + linear(up, w, block + "mlp.down")
    return norm(x, w, "final_norm") @ w["token_embedding" if case.tied else "head.weight"].T


def loss_of(logits, targets):
    """Mean in nats over the targets that are not ignored."""
    return F.cross_entropy(logits.reshape(-1, VOCAB), targets.reshape(-1), ignore_index=IGNORED)


def run_case(case, initial, tokens, targets, dtype):
    """Everything a file holds, by dataset path."""
    w = {name: value.to(dtype).clone().requires_grad_() for name, value in initial.items()}
    logits = forward(w, tokens, case)
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
        loss = loss_of(forward(w, tokens, case), targets)
        loss.backward()
        grad_norm = torch.sqrt(sum((p.grad**2).sum() for p in w.values()))
        for p in w.values():
            p.grad *= min(1.0, case.clip_norm / grad_norm.item())
        optimizer.step()
        losses.append(loss.item())
        norms.append(grad_norm.item())
    values["/adamw/loss"] = torch.tensor(losses, dtype=torch.float64)
    values["/adamw/grad_norm"] = torch.tensor(norms, dtype=torch.float64)
    for name, weight in w.items():
        values["/adamw/weights/" + name] = weight.detach()
    return values


def run_variant(case, variant, initial, tokens, targets, kind):
    """Logits, loss and gradients by dataset path. kind: "exact" (float64), "emulated" (Tessera's roundings to bf16) or
    "autocast" (PyTorch's own mixed precision)."""
    dtype = torch.float32 if kind == "autocast" else torch.float64
    w = {name: value.to(dtype).clone().requires_grad_() for name, value in initial.items()}
    if kind == "emulated":
        logits = bf16_emulation.forward(w, tokens, LAYERS, HEADS, ACTIVATIONS[case.activation],
                                        lambda layer: visible_in(layer, LENGTH, variant.window))
    else:
        with torch.autocast("cpu", torch.bfloat16, enabled=kind == "autocast"):
            logits = forward(w, tokens, case, variant.window).to(dtype)
    loss = loss_of(logits, targets)
    loss.backward()
    values = {"/logits": logits.detach(), "/loss": loss.detach().reshape(1)}
    return values | {"/gradients/" + name: weight.grad for name, weight in w.items()}


def draw_batch(case, generator, batch=BATCH):
    tokens = torch.randint(VOCAB, (batch, LENGTH), generator=generator)
    targets = torch.randint(VOCAB, (batch, LENGTH), generator=generator)
    if case.ignore_every:
        targets.view(-1)[1 :: case.ignore_every] = IGNORED
    return tokens, targets


def distance(first, second):
    """Root of the sum of squared differences."""
    return torch.linalg.vector_norm(first.double() - second.double()).item()


def draw_steady_batch(case, variant, initial):
    """One sequence, none of whose larger values lies so close to the middle of two bf16 numbers that float sums in
    another order would round it elsewhere: noise of that size moves no tensor by more than a hundredth of what rounding
    to bf16 moves it. So tolerances can be tight on every machine."""
    for seed in range(10000):
        tokens, targets = draw_batch(case, torch.Generator().manual_seed(seed), batch=1)
        exact, emulated = (run_variant(case, variant, initial, tokens, targets, kind) for kind in ("exact", "emulated"))

        def is_steady(trial):
            with bf16_emulation.Noise(trial):
                noisy = run_variant(case, variant, initial, tokens, targets, "emulated")
            return all(distance(noisy[name], emulated[name]) <= 0.01 * distance(exact[name], emulated[name])
                       for name in exact)

        if all(is_steady(trial) for trial in range(30)):
            print(f"{variant.name()}: batch of seed {seed}")
            return tokens, targets
    sys.exit(f"make_golden.py: {variant.name()}: no steady batch")


def autocast_errors(case, variant, initial, show):
    """How far PyTorch's autocast is from float64 in the logits and in each gradient: roots of sums of squares over 32
    sequences, each of them a batch, because one sequence is few draws of rounding. With the sequences."""
    tokens, targets = draw_batch(case, torch.Generator().manual_seed(1), batch=32)
    squares, ours, sizes = {}, {}, {}
    for row in range(len(tokens)):
        batch = tokens[row : row + 1], targets[row : row + 1]
        exact, emulated, autocast = (run_variant(case, variant, initial, *batch, kind)
                                     for kind in ("exact", "emulated", "autocast"))
        for name in ["/logits"] + sorted(name for name in exact if name.startswith("/gradients/")):
            squares[name] = squares.get(name, 0) + distance(autocast[name], exact[name]) ** 2
            ours[name] = ours.get(name, 0) + distance(emulated[name], exact[name]) ** 2
            sizes[name] = sizes.get(name, 0) + exact[name].square().sum().item()
    if show:
        print("  tensor, error of Tessera's roundings, error of autocast, size (roots of sums of squares)")
        for name in squares:
            print(f"  {name:48s}", *(f"{math.sqrt(sums[name]):9.2e}" for sums in (ours, squares, sizes)))
    return tokens, targets, np.sqrt(np.array(list(squares.values()), dtype="<f8"))


def write_variant(path, case, variant, initial, tokens, targets, show):
    """With bf16 on a batch of its own."""
    if variant.bf16:
        tokens, targets = draw_steady_batch(case, variant, initial)
    values = run_variant(case, variant, initial, tokens, targets, "emulated" if variant.bf16 else "exact")
    with h5py.File(path, "w", libver=("v110", "v110")) as file:
        file.attrs.create("window", variant.window, dtype="<i8")
        file.create_dataset("/tokens", data=tokens.numpy().astype("<i4"))
        file.create_dataset("/targets", data=targets.numpy().astype("<i4"))
        for name, value in values.items():
            file.create_dataset(name, data=value.numpy().astype("<f8" if name == "/loss" else "<f4"))
        if variant.bf16:
            tokens, targets, errors = autocast_errors(case, variant, initial, show)
            file.create_dataset("/autocast/tokens", data=tokens.numpy().astype("<i4"))
            file.create_dataset("/autocast/targets", data=targets.numpy().astype("<i4"))
            file.create_dataset("/autocast/errors", data=errors)
            file["/autocast/errors"].attrs["order"] = text("logits, then gradients by name")
    print(f"{path.name}: {path.stat().st_size} bytes, loss {values['/loss'].item():.4f}")


def text(value):
    """A fixed-length UTF-8 string, as Tessera writes and reads attributes."""
    return np.array(value.encode(), dtype=h5py.string_dtype("utf-8", len(value.encode())))


def write(path, case, values, tokens, targets):
    """Contiguous little-endian datasets, attributes as 64-bit integers and fixed-length strings."""
    with h5py.File(path, "w", libver=("v110", "v110")) as file:
        for key, value in {"layers": LAYERS, "hidden": HIDDEN, "heads": HEADS, "context": CONTEXT, "vocab": VOCAB,
                           "tied": int(case.tied)}.items():
            file.attrs.create(key, value, dtype="<i8")
        file.attrs["activation"] = text(case.activation)
        file.create_dataset("/tokens", data=tokens.numpy().astype("<i4"))
        file.create_dataset("/targets", data=targets.numpy().astype("<i4"))
        for name, value in values.items():
            wide = name in ("/loss", "/adamw/loss", "/adamw/grad_norm")
            file.create_dataset(name, data=value.numpy().astype("<f8" if wide else "<f4"))
        settings = [LR, BETA1, BETA2, EPSILON, WEIGHT_DECAY, case.clip_norm]
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
    for number, case in enumerate(CASES):
        generator = torch.Generator().manual_seed(20200528 + number)
        initial = draw_weights(case.tied, generator)
        tokens, targets = draw_batch(case, generator)
        values = run_case(case, initial, tokens, targets, torch.float64)
        path = arguments.output / f"{case.name}.h5"
        write(path, case, values, tokens, targets)
        print(f"{path.name}: {path.stat().st_size} bytes, loss {values['/loss'].item():.4f} -> "
              f"{values['/adamw/loss'][-1].item():.4f}, gradient norm {values['/adamw/grad_norm'][0].item():.3f} -> "
              f"{values['/adamw/grad_norm'][-1].item():.3f}")
        if arguments.compare:
            compare(case.name, values, run_case(case, initial, tokens, targets, torch.float32))
        for variant in VARIANTS:
            if variant.case == case.name:
                write_variant(arguments.output / f"{variant.name()}.h5", case, variant, initial, tokens, targets,
                              arguments.compare)


if __name__ == "__main__":
    main()
