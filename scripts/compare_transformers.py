#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares an exported model under transformers with its checkpoint under tessera, token by token of a text:
scripts/compare_transformers.py CHECKPOINT EXPORTED_FOLDER TEXT_FILE [--tessera BINARY]

Exit codes: 0 they agree, 1 they do not, 77 transformers or PyTorch is not installed.
"""
import argparse
import json
import pathlib
import subprocess
import sys

SKIPPED = 77
# Sums of thousands of float products in another order, as log-probabilities.
TOLERANCE_NATS = 2e-3


def load(folder):
    """Model and tokenizer under transformers, from local files only."""
    try:
        import torch
        import transformers
    except ImportError as error:
        print(f"compare_transformers.py: {error.name} is not installed: nothing was compared", file=sys.stderr)
        sys.exit(SKIPPED)
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, local_files_only=True).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
    return torch, model, tokenizer


def score_with_tessera(binary, checkpoint, text_file):
    """[(id, log-probability)] of each token, the first behind an end token."""
    command = [binary, "score", "--json", "--checkpoint", checkpoint, text_file]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return [(token["id"], token["log_probability"]) for token in json.loads(output)["tokens"]]


def score_with_transformers(torch, model, end_token, ids):
    """Log-probability of each id, the first behind the end token."""
    with torch.no_grad():
        logits = model(torch.tensor([[end_token] + ids])).logits[0]
    log_probabilities = torch.log_softmax(logits.double(), dim=-1)
    return [log_probabilities[at, token].item() for at, token in enumerate(ids)]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint")
    parser.add_argument("folder", help="what `tessera checkpoint export` made of it")
    parser.add_argument("text", help="a text of fewer tokens than the model's context")
    parser.add_argument("--tessera", default=str(pathlib.Path(__file__).parent.parent / "build/release/bin/tessera"))
    arguments = parser.parse_args()
    torch, model, tokenizer = load(arguments.folder)
    scored = score_with_tessera(arguments.tessera, arguments.checkpoint, arguments.text)
    ids = [token for token, _ in scored]
    text = pathlib.Path(arguments.text).read_bytes().decode("utf-8")
    if tokenizer.encode(text) != ids:
        print("the two tokenizers give different ids")
        return 1
    if len(ids) >= model.config.n_positions:
        parser.error(f"{arguments.text} has {len(ids)} tokens, the model sees {model.config.n_positions} at once")
    theirs = score_with_transformers(torch, model, tokenizer.eos_token_id, ids)
    worst = max((abs(ours - other) for (_, ours), other in zip(scored, theirs)), default=0.0)
    print(f"{len(ids)} tokens, log-probabilities differ by at most {worst:.2e} nats (allowed: {TOLERANCE_NATS:.0e})")
    return 0 if worst <= TOLERANCE_NATS else 1


if __name__ == "__main__":
    sys.exit(main())
