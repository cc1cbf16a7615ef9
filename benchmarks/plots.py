"""The plots of the README, drawn from what is recorded in `benchmarks/measured`: `python benchmarks/plots.py`.

Nothing is measured here. `quality.json` holds test figures of `aisle-offline run`, `latency.json` the last line of
`serve_latency.py`, each with its machine, commit and command. SVG, the same bytes for the same figures.
"""

import json
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import ScalarFormatter

HERE = Path(__file__).parent
OUT = HERE / "plots"
AISLE, OTHERS = "#0b6e4f", ("#8d99ae", "#c7ccd6")
STYLE = {
    "svg.hashsalt": "aisle",
    "svg.fonttype": "path",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
}


def main() -> None:
    """Draw every plot anew."""
    OUT.mkdir(exist_ok=True)
    with mpl.rc_context(STYLE):
        for name, draw in (("quality", quality), ("latency", latency)):
            figure = draw(json.loads((HERE / "measured" / f"{name}.json").read_text("utf-8")))
            figure.savefig(OUT / f"{name}.svg", metadata={"Date": None, "Creator": None}, facecolor="white")
            print(OUT / f"{name}.svg")


def quality(measured: dict[str, Any]) -> Figure:
    """A panel a set: Aisle with its 95 % interval, and what it is compared with on the same users or queries."""
    sets = measured["sets"]
    figure = Figure(figsize=(9.0, 4.6), layout="constrained")
    for place, each in enumerate(sets):
        axes: Axes = figure.add_subplot(2, 3, place + 1)
        names = ["Aisle", *each["others"]]
        values = [each["aisle"], *each["others"].values()]
        low, high = each["interval"]
        axes.barh(names, values, color=[AISLE, *OTHERS], height=0.62)
        axes.errorbar(values[0], 0, xerr=[[values[0] - low], [high - values[0]]], color="#1a1a1a", capsize=3)
        for line, value in enumerate(values):
            at = high if line == 0 else value
            axes.text(at + 0.015 * max(high, *values), line, f"{value:.3f}", va="center")
        axes.invert_yaxis()
        axes.set_xlim(0, 1.2 * max(high, *values))
        axes.set_title(f"{each['name']}\n{each['metric']}, n {each['n']:,}", loc="left", size=9)
    return figure


def latency(measured: dict[str, Any]) -> Figure:
    """Percentiles of latency by rate, up to three quarters of the highest rate that is held."""
    figure = Figure(figsize=(9.0, 3.0), layout="constrained")
    runs = measured["runs"]
    for place, run in enumerate(runs):
        axes: Axes = figure.add_subplot(1, len(runs), place + 1)
        rates = [each["rate"] for each in run["rates"]]
        for name, colour in (("p50", AISLE), ("p99", "#d17b0f"), ("p99.9", "#9b2226")):
            times = [each["ms"][name] for each in run["rates"]]
            axes.plot(rates, times, color=colour, marker="o", markersize=4, label=name)
            axes.annotate(f"{times[-1]:.1f}", (rates[-1], times[-1]), (4, 3), textcoords="offset points", color=colour)
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(ScalarFormatter())
        axes.set_xlim(0, 1.15 * max(rates))
        axes.set_xlabel("requests a second, open loop")
        axes.set_ylabel("ms")
        axes.grid(axis="y", alpha=0.3)
        axes.set_title(f"{run['name']} (holds {run['highest']:,.0f}/s)", loc="left", size=9)
        axes.legend(frameon=False, loc="upper left")
    return figure


if __name__ == "__main__":
    main()
