#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Draws what each rank did in a step, from the trace of a run with run.trace = true, and prints the bubble.

A row is a rank: forward, backward (or its input and its weight gradient apart) with the number of the micro-batch,
lighter for later chunks; hatched are waits of other axes and of sums at the end, grey is other work, white the bubble.
Its share is that of the time from the first action of any rank to the end of the last in which a rank runs no action;
what an action waits for, as the sums of a tensor axis do, counts as work."""
import argparse
import json
import pathlib
import re
import sys

COLOURS = {"forward": "#6baed6", "backward": "#74c476", "input gradient": "#74c476", "weight gradient": "#fdae6b"}
ACTION = re.compile(r"(forward|backward|input gradient|weight gradient) (\d+)")
STEP = re.compile(r"step (\d+)")


class Failure(Exception):
    """A message for the user."""


def read_events(path):
    """Events of the trace with times in ms."""
    if path.is_dir():
        path = path / "trace.json"
    try:
        events = json.loads(path.read_text())["traceEvents"]
        events = [event for event in events if event["ph"] == "X"]
        for event in events:
            event["begin"], event["end"] = event["ts"] / 1e3, (event["ts"] + event["dur"]) / 1e3
        return events
    except OSError as error:
        raise Failure(f"cannot read '{path}': {error.strerror}. A run writes it with run.trace = true") from error
    except (ValueError, KeyError, TypeError) as error:
        raise Failure(f"'{path}' is no trace of tessera ({error!r})") from error


def of_step(events, wanted):
    """Number of the step, and its events by rank."""
    spans = {}  # step -> rank -> its event
    for event in events:
        if event["cat"] == "step":
            spans.setdefault(int(STEP.fullmatch(event["name"])[1]), {})[event["pid"]] = event
    num_ranks = len({event["pid"] for event in events})
    whole = sorted(step for step, ranks in spans.items() if len(ranks) == num_ranks)
    if not whole:
        raise Failure("the trace holds no whole step")
    step = whole[-1] if wanted is None else wanted
    if step not in whole:
        raise Failure(f"the trace holds steps {whole[0]} to {whole[-1]}, not step {step}")
    ranks = {}
    for rank, span in sorted(spans[step].items()):
        ranks[rank] = [e for e in events if e["pid"] == rank and e["cat"] != "step" and
                       span["begin"] <= e["begin"] and e["end"] <= span["end"]]
    return step, ranks


def actions(events):
    return [event for event in events if event["cat"] == "compute"]


def bubble_shares(ranks):
    """Idle share of each rank, and the span [begin, end] that it is a share of."""
    every = [event for events in ranks.values() for event in actions(events)]
    if not every:
        raise Failure("the step has no actions of a pipeline")
    begin, end = min(e["begin"] for e in every), max(e["end"] for e in every)
    busy = {rank: sum(e["end"] - e["begin"] for e in actions(events)) for rank, events in ranks.items()}
    return {rank: 1 - time / (end - begin) for rank, time in busy.items()}, begin, end


def lighter(colour, chunk):
    """The colour, half as far from white for each chunk."""
    parts = [int(colour[i:i + 2], 16) for i in (1, 3, 5)]
    return tuple((255 - (255 - part) / (1 + 0.7 * chunk)) / 255 for part in parts)


def chunk_of(event):
    found = re.fullmatch(r"chunk (\d+)", event.get("args", {}).get("detail", ""))
    return int(found[1]) if found else 0


def draw(ranks, shares, begin, end, title, output):
    try:
        import matplotlib
    except ImportError as error:
        print(f"matplotlib is not there ({error}): no picture is drawn. Debian: apt-get install python3-matplotlib",
              file=sys.stderr)
        sys.exit(2)
    matplotlib.use("Agg")
    matplotlib.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "tessera", "hatch.linewidth": 0.5})
    import matplotlib.pyplot as plt
    from matplotlib.patches import Patch

    last = max([end] + [e["end"] for events in ranks.values() for e in events if e["cat"] == "phase"])
    figure, axes = plt.subplots(figsize=(11, 1.3 + 0.5 * len(ranks)))
    used = {}
    for row, events in enumerate(ranks.values()):
        for event in sorted(events, key=lambda e: ("phase", "compute", "communication", "bubble").index(e["cat"])):
            left, width = event["begin"] - begin, event["end"] - event["begin"]
            if width < (last - begin) * 1e-4 or event["cat"] == "bubble":
                continue
            if event["cat"] == "phase":
                axes.barh(row, width, left=left, height=0.8, color="#d9d9d9")
                used["other work"] = Patch(color="#d9d9d9")
            elif event["cat"] == "communication":
                axes.barh(row, width, left=left, height=0.8, color="none", hatch="/////", edgecolor="#636363",
                          linewidth=0)
                used["communication"] = Patch(facecolor="none", hatch="/////", edgecolor="#636363")
            else:
                work, micro = ACTION.fullmatch(event["name"]).groups()
                axes.barh(row, width, left=left, height=0.8, color=lighter(COLOURS[work], chunk_of(event)),
                          edgecolor="white", linewidth=0.5)
                used[work] = Patch(color=COLOURS[work])
                if width > (last - begin) * 0.009 * len(micro):
                    axes.text(left + width / 2, row, micro, ha="center", va="center", fontsize=7)
    axes.set_yticks(range(len(ranks)), [f"rank {rank}\n{100 * shares[rank]:.1f}%" for rank in ranks], fontsize=8)
    axes.invert_yaxis()
    axes.set_xlim(0, last - begin)
    axes.set_xlabel("ms", fontsize=8)
    axes.tick_params(labelsize=8)
    axes.set_title(title, fontsize=9)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    used = dict(sorted(used.items(), key=lambda item: (list(COLOURS) + ["communication", "other work"]).index(item[0])))
    axes.legend(used.values(), used.keys(), ncols=len(used), fontsize=7, loc="upper center", frameon=False,
                bbox_to_anchor=(0.5, -0.45 / len(ranks) ** 0.5))
    try:
        figure.savefig(output, dpi=110, bbox_inches="tight",
                       metadata={"Date": None} if output.suffix == ".svg" else None)
    except (OSError, ValueError) as error:
        raise Failure(f"cannot write '{output}': {error}") from error
    print(f"'{output}'")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trace", type=pathlib.Path, help="trace.json, or the run folder that holds it")
    parser.add_argument("--step", type=int, help="which step (the last whole one)")
    parser.add_argument("--output", type=pathlib.Path, default="pipeline.png", help="*.png or *.svg (pipeline.png)")
    parser.add_argument("--title", help="above the picture (step and bubble)")
    arguments = parser.parse_args()
    try:
        step, ranks = of_step(read_events(arguments.trace), arguments.step)
        shares, begin, end = bubble_shares(ranks)
        mean = sum(shares.values()) / len(shares)
        for rank, share in shares.items():
            print(f"step {step}, rank {rank}: bubble {share:.3f}")
        print(f"step {step}, mean: bubble {mean:.3f} of {end - begin:.3f} ms")
        title = f"{arguments.title + ': ' if arguments.title else ''}step {step}, bubble {100 * mean:.1f}%"
        draw(ranks, shares, begin, end, title, arguments.output)
    except Failure as failure:
        print(f"error: {failure}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
