"""The plots: numbers in, an inline SVG with its caption out."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axis import Axis
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter
from numpy.typing import NDArray

from offline.report.blocks import Plot
from offline.report.svg import INK, PAPER, SERIES, drawing, svg_of

Interval = Sequence[float]
Whisker = tuple[str, float, Interval | None]
"""A label, a value and the ends of its interval."""

_MARKERS = ("o", "s", "D", "^", "v")
_LINES = ("-", "--", ":", "-.", (0, (3, 1, 1, 1)))


def whiskers(name: str, title: str, panels: Mapping[str, Sequence[Whisker]], caption: str, zero: bool = False) -> Plot:
    """Dots with their intervals, a panel a metric; the first line of each is the one that the plot is about.

    Args:
        name: begins the ids of the figure.
        title: what it shows.
        panels: for each metric its lines from top to bottom.
        caption: what to look for.
        zero: whether a line marks zero.
    """
    lines = sum(len(rows) for rows in panels.values())
    with drawing(0.5 + 0.45 * len(panels) + 0.26 * lines, rows=len(panels)) as (figure, all_axes):
        for axes, (metric, rows) in zip(all_axes, panels.items(), strict=True):
            for index, (_, value, ends) in enumerate(rows):
                colour = SERIES[0] if index == 0 else INK
                if ends is not None:
                    axes.plot(ends, [index, index], color=colour, linewidth=1.6)
                axes.plot([value], [index], marker="o", color=colour, markersize=6 if index == 0 else 4.5)
            axes.set_yticks(range(len(rows)), [label for label, _, _ in rows])
            axes.set_ylim(len(rows) - 0.5, -0.5)
            axes.grid(axis="y", visible=False)
            axes.set_title(metric, loc="left", size=10)
            axes.xaxis.set_major_locator(MaxNLocator(6))
            if zero:
                axes.axvline(0.0, color=INK, linewidth=0.8, linestyle=":")
            else:
                axes.set_xlim(left=min(0.0, *(value for _, value, _ in rows)))
        description = "; ".join(
            f"{metric}: " + ", ".join(f"{label} {value:.4f}" for label, value, _ in rows)
            for metric, rows in panels.items()
        )
        return Plot(svg_of(figure, name, title, description), caption)


def grouped(name: str, title: str, metric: str, groups: Mapping[str, Mapping[str, Whisker]], caption: str) -> Plot:
    """For each group a line of dots for every ranking, a marker and colour a ranking."""
    rankings = list(dict.fromkeys(ranking for group in groups.values() for ranking in group))
    with drawing(0.9 + 0.42 * len(groups)) as (figure, (axes,)):
        for number, ranking in enumerate(rankings):
            points = [(index, group[ranking]) for index, group in enumerate(groups.values()) if ranking in group]
            shift = 0.2 * (number - (len(rankings) - 1) / 2)
            colour, marker = SERIES[number % len(SERIES)], _MARKERS[number % len(_MARKERS)]
            for index, (_, _, ends) in points:
                if ends is not None:
                    axes.plot(ends, [index + shift] * 2, color=colour, linewidth=1.4)
            axes.plot(
                [value for _, (_, value, _) in points],
                [index + shift for index, _ in points],
                linestyle="none",
                marker=marker,
                color=colour,
                markersize=5,
                label=ranking,
            )
        axes.set_yticks(range(len(groups)), list(groups))
        axes.set_ylim(len(groups) - 0.5, -0.5)
        axes.grid(axis="y", visible=False)
        axes.set_xlim(left=0.0)
        axes.set_xlabel(metric)
        figure.legend(loc="outside upper right", ncols=len(rankings))
        description = "; ".join(
            f"{label}: " + ", ".join(f"{ranking} {value:.4f}" for ranking, (_, value, _) in group.items())
            for label, group in groups.items()
        )
        return Plot(svg_of(figure, name, title, description), caption)


def degrees(name: str, title: str, of: str, histogram: NDArray[np.int64], caption: str) -> Plot:
    """How many users or items have how many events, both axes logarithmic.

    Args:
        name: begins the ids of the figure.
        title: what it shows.
        of: users or items.
        histogram: events and how many have so many, `[points, 2]`, ascending.
        caption: what to look for.
    """
    with drawing(2.9) as (figure, (axes,)):
        axes.loglog(histogram[:, 0], histogram[:, 1], linestyle="none", marker="o", markersize=3, color=SERIES[0])
        _plain(axes.xaxis, axes.yaxis)
        # Room on both sides of every point, also where all are one.
        axes.set_xlim(histogram[:, 0].min() / 1.6, histogram[:, 0].max() * 1.6)
        axes.set_ylim(histogram[:, 1].min() / 1.6, histogram[:, 1].max() * 1.6)
        axes.set_xlabel(f"events per {of.removesuffix('s')}")
        axes.set_ylabel(of)
        total, events = histogram[:, 1].sum(), (histogram[:, 0] * histogram[:, 1]).sum()
        description = f"{total} {of} with {events / total:.1f} events on average, at most {histogram[-1, 0]}."
        return Plot(svg_of(figure, name, title, description), caption)


def rank_share(name: str, title: str, histogram: NDArray[np.int64], caption: str) -> Plot:
    """The share of all events that the most popular items make, by how many items those are.

    Args:
        name: begins the ids of the figure.
        title: what it shows.
        histogram: events and how many items have so many, `[points, 2]`, ascending.
        caption: what to look for.
    """
    falling = histogram[::-1]
    items, events = np.cumsum(falling[:, 1]), np.cumsum(falling[:, 0] * falling[:, 1])
    with drawing(2.9) as (figure, (axes,)):
        axes.semilogx(items, 100 * events / events[-1], color=SERIES[0])
        _plain(axes.xaxis)
        axes.set_ylim(0, 102)
        if items[0] < items[-1]:
            axes.set_xlim(items[0], items[-1])
        axes.set_xlabel("most popular items")
        axes.set_ylabel("% of events")
        tenth = int(np.searchsorted(items, 0.1 * items[-1]))
        description = (
            f"The {items[tenth]} most popular of {items[-1]} items make {events[tenth] / events[-1]:.0%} of the events."
        )
        return Plot(svg_of(figure, name, title, description), caption)


def over_time(
    name: str,
    title: str,
    days: NDArray[np.float64],
    counts: Mapping[str, NDArray[np.int64]],
    cuts: Mapping[str, float],
    unit: str,
    caption: str,
) -> Plot:
    """Events in each span of time, a line a behaviour, and where the data is cut.

    Args:
        name: begins the ids of the figure.
        title: what it shows.
        days: middles of the spans, in `unit` since the first event, `[spans]`.
        counts: for each behaviour `[spans]`.
        cuts: names and places of the cuts.
        unit: of time.
        caption: what to look for.
    """
    with drawing(2.9) as (figure, (axes,)):
        for number, (behaviour, values) in enumerate(counts.items()):
            visible = np.where(values > 0, values, np.nan)
            axes.plot(days, visible, color=SERIES[number], linestyle=_LINES[number], label=behaviour)
        axes.set_yscale("log")
        _plain(axes.yaxis)
        low, high = axes.get_ylim()
        axes.set_ylim(low, high * (high / low) ** 0.4 if cuts else high)  # room for the names of the cuts
        for label, time in cuts.items():
            axes.axvline(time, color=INK, linewidth=1, linestyle=":")
            axes.annotate(
                label, (time, 0.99), xycoords=("data", "axes fraction"), ha="right", va="top", rotation=90, size=8
            )
        axes.set_xlabel(f"{unit} since the first event")
        axes.set_ylabel("events")
        figure.legend(loc="outside upper right", ncols=len(counts))
        description = ", ".join(f"{behaviour}: {values.sum()} events" for behaviour, values in counts.items())
        return Plot(svg_of(figure, name, title, description), caption)


def curves(name: str, title: str, epochs: Sequence[Mapping[str, Any]], metric: str | None, caption: str) -> Plot:
    """Loss and, where there is a `metric`, its value on validation by epoch, one below the other."""
    series = {"loss": "training loss"} | ({} if metric is None else {"value": f"validation {metric}"})
    description = f"{len(epochs)} epochs"
    with drawing(0.6 + 1.5 * len(series), rows=len(series)) as (figure, all_axes):
        for number, (axes, (key, label)) in enumerate(zip(all_axes, series.items(), strict=True)):
            known = [(epoch["epoch"], epoch[key]) for epoch in epochs if epoch.get(key) is not None]
            axes.plot(*zip(*known, strict=True), marker=_MARKERS[number], markersize=4, color=SERIES[number])
            axes.set_ylabel(label)
            axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
            description += f"; {label} {known[-1][1]:.4g} in the last"
        all_axes[-1].set_xlabel("epoch")
        return Plot(svg_of(figure, name, title, f"{description}."), caption)


def reliability(name: str, title: str, bins: Mapping[str, Sequence[Mapping[str, Any]]], caption: str) -> Plot:
    """How often a behaviour happened, by how likely it was said to be; the diagonal is right."""
    with drawing(3.6) as (figure, (axes,)):
        axes.plot([0, 1], [0, 1], color=INK, linewidth=0.8, linestyle=":")
        for number, (behaviour, points) in enumerate(bins.items()):
            axes.plot(
                [point["predicted"] for point in points],
                [point["observed"] for point in points],
                marker=_MARKERS[number],
                markersize=4,
                color=SERIES[number],
                linestyle=_LINES[number],
                label=behaviour,
            )
        largest = max(max(p["predicted"], p["observed"]) for points in bins.values() for p in points) or 1.0
        axes.set(
            xlim=(0, 1.05 * largest), ylim=(0, 1.05 * largest), xlabel="predicted probability", ylabel="observed share"
        )
        figure.legend(loc="outside upper right", ncols=len(bins))
        description = "; ".join(
            f"{behaviour}: " + ", ".join(f"{p['predicted']:.3f} said, {p['observed']:.3f} came" for p in points)
            for behaviour, points in bins.items()
        )
        return Plot(svg_of(figure, name, title, description), caption)


def trade_off(
    name: str, title: str, x: str, y: str, points: Sequence[tuple[str, float, float, bool]], caption: str
) -> Plot:
    """What each variant costs and what it is worth; the chosen one is filled.

    Args:
        name: begins the ids of the figure.
        title: what it shows.
        x: what a variant costs, with its unit.
        y: the metric.
        points: label, cost, worth, and whether it was chosen.
        caption: what to look for.
    """
    with drawing(3.1) as (figure, (axes,)):
        across = sorted(cost for _, cost, _, _ in points)
        for label, cost, worth, chosen in points:
            axes.plot(
                [cost],
                [worth],
                marker="o",
                markersize=8,
                color=SERIES[0],
                markerfacecolor=SERIES[0] if chosen else PAPER,
            )
            above = across.index(cost) % 2 == 0  # neighbours would write over each other
            axes.annotate(
                label,
                (cost, worth),
                xytext=(0, 8 if above else -8),
                textcoords="offset points",
                ha="center",
                va="bottom" if above else "top",
            )
        axes.margins(0.25, 0.3)
        axes.set(xlabel=x, ylabel=y)
        axes.set_xlim(left=0)
        description = "; ".join(
            f"{label}: {cost:.3g}, {y} {worth:.4f}{' (chosen)' if chosen else ''}"
            for label, cost, worth, chosen in points
        )
        return Plot(svg_of(figure, name, title, description), caption)


def by_rank(name: str, title: str, ranks: Sequence[Mapping[str, int]], caption: str) -> Plot:
    """The share of what was shown at each rank that was clicked."""
    shares = [100 * rank["clicked"] / rank["shown"] for rank in ranks]
    with drawing(2.9) as (figure, (axes,)):
        axes.plot([rank["rank"] for rank in ranks], shares, marker="o", markersize=4, color=SERIES[0])
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.set_ylim(0, 1.1 * max(shares) or 1.0)
        axes.set(xlabel="rank", ylabel="% of items clicked")
        description = "; ".join(
            f"rank {rank['rank']}: {clicked:.2f} %" for rank, clicked in zip(ranks, shares, strict=True)
        )
        return Plot(svg_of(figure, name, title, description), caption)


def _plain(*logarithmic: Axis) -> None:
    """Whole numbers, rather than powers, at the decades of an axis."""
    for axis in logarithmic:
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
        axis.set_minor_formatter(NullFormatter())
