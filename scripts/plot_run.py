#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Plots training and validation loss of one or more runs: scripts/plot_run.py RUN_FOLDER... [--output loss.png]"""
import argparse
import json
import pathlib

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402  (the backend must be chosen first)


def read_metrics(folder):
    """Steps and values of both losses in a run's metrics.jsonl."""
    train, valid = [], []
    for line in (pathlib.Path(folder) / "metrics.jsonl").read_text().splitlines():
        entry = json.loads(line)
        if "loss" in entry:
            train.append((entry["step"], float(entry["loss"])))
        if "valid_loss" in entry:
            valid.append((entry["step"], float(entry["valid_loss"])))
    return train, valid


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="+", help="run folders")
    parser.add_argument("--output", default="loss.png")
    arguments = parser.parse_args()
    for run in arguments.runs:
        train, valid = read_metrics(run)
        line = plt.plot(*zip(*train), linewidth=0.8, label=f"{run}: training")[0]
        if valid:
            plt.plot(*zip(*valid), "o-", color=line.get_color(), label=f"{run}: validation")
    plt.xlabel("step")
    plt.ylabel("loss (nats a token)")
    plt.legend()
    plt.savefig(arguments.output, dpi=150)
    print(f"'{arguments.output}'")


if __name__ == "__main__":
    main()
