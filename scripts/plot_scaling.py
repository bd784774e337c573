#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Draws a scaling study: scripts/plot_scaling.py STUDY_FOLDER [--output report.png]

Reads the report.json that `tessera scale report` writes there. Four parts: tokens/s and efficiency against the ideal,
the share of a step in which ranks wait for messages, and the share in which pipeline ranks stand idle. Bars are the
range over the runs of a point; a hollow point has more threads than cores, so that it shows what sharing cores costs; a
cross on the axis is a number of ranks that failed.
"""
import argparse
import json
import pathlib
import sys

try:
    import matplotlib
except ImportError:
    print("error: matplotlib is missing (Debian: python3-matplotlib)", file=sys.stderr)
    sys.exit(2)

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402  (the backend must be chosen first)
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator  # noqa: E402

COLORS = {"strong": "#1f6fb4", "weak": "#d1661c"}
IDEAL = {"color": "#808080", "linestyle": "--", "linewidth": 1}


def points(series):
    """(row, chosen point) of each number of ranks with figures."""
    return [(row, row["chosen"]) for row in series["rows"] if row["chosen"]]


def draw_line(axes, series, values, spread=None):
    """One mode; points that share cores are hollow."""
    color = COLORS[series["mode"]]
    measured = points(series)
    ranks = [row["ranks"] for row, _ in measured]
    axes.plot(ranks, values, color=color, linewidth=1.5, label=series["mode"])
    if spread:
        axes.errorbar(ranks, values, yerr=spread, fmt="none", ecolor=color, elinewidth=1, capsize=3)
    for rank, value, (_, point) in zip(ranks, values, measured):
        fill = "white" if point["shares_cores"] else color
        axes.plot([rank], [value], "o", color=color, markerfacecolor=fill, markersize=6)


def draw_tokens(axes, series):
    measured = points(series)
    values = [point["tokens_per_second"] for _, point in measured]
    below = [value - point["least"] for value, (_, point) in zip(values, measured)]
    above = [point["greatest"] - value for value, (_, point) in zip(values, measured)]
    draw_line(axes, series, values, (below, above))
    first, base = measured[0][0]["ranks"], values[0]
    last = series["rows"][-1]["ranks"]
    axes.plot([first, last], [base, base * last / first], **IDEAL)
    axes.set_xscale("log", base=2)
    axes.set_yscale("log", base=2)
    axes.set_ylabel("tokens/s")


def draw_shares(axes, series, value_of, label, ideal=None):
    draw_line(axes, series, [100 * value_of(row, point) for row, point in points(series)])
    if ideal is not None:
        axes.axhline(ideal, **IDEAL)
    axes.set_ylim(bottom=0)
    axes.set_xscale("log", base=2)
    axes.set_ylabel(label)


def finish(axes, study):
    """Ticks at the numbers of ranks, crosses where one failed."""
    ranks = sorted({row["ranks"] for series in study["series"] for row in series["rows"]})
    axes.xaxis.set_major_locator(FixedLocator(ranks))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.4g}" if value < 1e4 else f"{value:,.0f}"))
    axes.set_xlabel("ranks")
    axes.grid(color="#dddddd", linewidth=0.5)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for series in study["series"]:
        for row in series["rows"]:
            if not row["chosen"]:
                axes.plot([row["ranks"]], [0.02], "x", color=COLORS[series["mode"]], clip_on=False,
                          transform=axes.get_xaxis_transform())


def draw(study, output):
    figure, ((tokens, efficiency), (messages, bubble)) = plt.subplots(2, 2, figsize=(9, 6.5))
    for series in study["series"]:
        if not points(series):
            continue
        draw_tokens(tokens, series)
        draw_shares(efficiency, series, lambda row, _: row["efficiency"], "efficiency (%)", ideal=100)
        draw_shares(messages, series, lambda _, point: point["communication_share"],
                    "waiting for messages (% of a step)")
        draw_shares(bubble, series, lambda _, point: point["bubble_fraction"], "pipeline bubble (% of a step)")
    for axes in (tokens, efficiency, messages, bubble):
        finish(axes, study)
    handles, labels = tokens.get_legend_handles_labels()
    ideal = plt.Line2D([], [], **IDEAL)
    handles.append(ideal)
    labels.append("ideal")
    shared = any(point["shares_cores"] for series in study["series"] for _, point in points(series))
    if shared:
        handles.append(plt.Line2D([], [], color="#404040", marker="o", markerfacecolor="white", linestyle="none"))
        labels.append("ranks share cores")
    figure.legend(handles, labels, loc="upper center", ncol=len(labels), frameon=False)
    figure.tight_layout(rect=(0, 0, 1, 0.95))
    figure.savefig(output, dpi=90)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", help="folder of the study")
    parser.add_argument("--output", help="picture, .png or .svg (report.png in the folder)")
    arguments = parser.parse_args()
    report = pathlib.Path(arguments.study) / "report.json"
    if not report.is_file():
        print(f"error: there is no '{report}': run `tessera scale report {arguments.study}` first", file=sys.stderr)
        sys.exit(2)
    output = arguments.output or str(pathlib.Path(arguments.study) / "report.png")
    draw(json.loads(report.read_text()), output)
    print(f"'{output}'")


if __name__ == "__main__":
    main()
