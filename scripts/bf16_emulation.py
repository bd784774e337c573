# SPDX-License-Identifier: Apache-2.0
"""A bf16 run of Tessera in PyTorch: float64 that is rounded to bf16 exactly where Tessera rounds (src/tensor/ops.hpp).

What enters and leaves a product is bf16, with its gradient: matrices and embeddings (rounded from their masters),
LayerNorm's and the activation's outputs, queries, keys, values, attention's output, logits. The residual stream, sums,
statistics, losses, biases, gains and gradients of parameters are not rounded.
"""

import math

import torch
import torch.nn.functional as F


class Noise:
    """While it is entered, computed values carry the noise of float sums in another order before they are rounded."""

    size = 0.0

    def __init__(self, seed):
        self.seed = seed

    def __enter__(self):
        torch.manual_seed(self.seed)
        Noise.size = 2e-7

    def __exit__(self, *_):
        Noise.size = 0.0


def rounded(x, computed=True):
    """To float first, as Tessera computes in float, then to nearest, ties to even."""
    if Noise.size and computed:
        x = x + Noise.size * torch.randn_like(x) * (x.abs() + x.square().mean().sqrt())
    return x.float().to(torch.bfloat16).to(x.dtype)


class Rounded(torch.autograd.Function):
    """Rounds a value, not its gradient."""

    @staticmethod
    def forward(ctx, x, computed=True):
        return rounded(x, computed)

    @staticmethod
    def backward(ctx, dy):
        return dy, None


class Linear(torch.autograd.Function):
    """x and w are bf16 already. The gradient that comes is rounded (it enters two products) and so is that of x."""

    @staticmethod
    def forward(ctx, x, w, bias):
        ctx.save_for_backward(x, w)
        ctx.has_bias = bias is not None
        return rounded(x @ w.T + bias if ctx.has_bias else x @ w.T)

    @staticmethod
    def backward(ctx, dy):
        x, w = ctx.saved_tensors
        dy = rounded(dy)
        rows = dy.reshape(-1, dy.shape[-1])
        dbias = rows.sum(dim=0) if ctx.has_bias else None
        return rounded(dy @ w), rows.T @ x.reshape(-1, x.shape[-1]), dbias


class Attention(torch.autograd.Function):
    """q, k, v [B, A, T, D]. Inside nothing is rounded, but backward reads the rounded output."""

    @staticmethod
    def forward(ctx, q, k, v, visible):
        scores = q @ k.transpose(2, 3) / math.sqrt(q.shape[3])
        p = scores.masked_fill(~visible, -math.inf).softmax(dim=3)
        out = rounded(p @ v)
        ctx.save_for_backward(q, k, v, p, out)
        return out

    @staticmethod
    def backward(ctx, dout):
        q, k, v, p, out = ctx.saved_tensors
        delta = (dout * out).sum(dim=3, keepdim=True)
        dscores = p * (dout @ v.transpose(2, 3) - delta) / math.sqrt(q.shape[3])
        return dscores @ k, dscores.transpose(2, 3) @ q, p.transpose(2, 3) @ dout, None


def forward(w, tokens, layers, heads, activation, visible_in):
    """Logits [B, T, V]. visible_in(layer): [T, T], whether a query sees a key."""
    B, T = tokens.shape
    matrices = {name: Rounded.apply(value, False) for name, value in w.items() if value.dim() == 2}
    H = matrices["token_embedding"].shape[1]

    def linear(x, *names):  # several names: one product, whose input gradient is rounded once
        weight = torch.cat([matrices[name + ".weight"] for name in names])
        return Linear.apply(x, weight, torch.cat([w[name + ".bias"] for name in names]))

    def norm(x, name):
        return Rounded.apply(F.layer_norm(x, (H,), w[name + ".gain"], w[name + ".bias"], eps=1e-5))

    x = matrices["token_embedding"][tokens] + matrices["position_embedding"][:T]
    for layer in range(layers):
        block = f"blocks.{layer}."
        names = [block + f"attention.{part}" for part in ("query", "key", "value")]
        q, k, v = (part.view(B, T, heads, H // heads).transpose(1, 2)
                   for part in linear(norm(x, block + "attention_norm"), *names).split(H, dim=2))
        out = Attention.apply(q, k, v, visible_in(layer)).transpose(1, 2).reshape(B, T, H)
        x = x + linear(out, block + "attention.output")
        up = linear(norm(x, block + "mlp_norm"), block + "mlp.up")
        x = x + linear(Rounded.apply(activation(up)), block + "mlp.down")
    head = matrices.get("head.weight", matrices["token_embedding"])
    return Linear.apply(norm(x, "final_norm"), head, None)
