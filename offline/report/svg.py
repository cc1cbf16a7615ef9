"""A matplotlib figure as an SVG inside a page: its colours are the page's, its text is text, and it points nowhere."""

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure

# Colours that matplotlib writes and the page's style sheet fills in, for light and dark.
INK = "#000009"
GRID = "#00000a"
PAPER = "#00000b"
SERIES = ("#000001", "#000002", "#000003", "#000004", "#000005")

_PROPERTIES = {
    INK: "var(--ink)",
    GRID: "var(--rule)",
    PAPER: "var(--paper)",
    **{colour: f"var(--series-{number})" for number, colour in enumerate(SERIES, start=1)},
}
WIDTH = 5.6  # inches of 72 units, so that text of 10 units stays legible on a phone
_STYLE: Any = {
    "svg.fonttype": "none",
    "text.parse_math": False,  # a dollar in a name is a dollar
    "font.size": 10,
    "axes.labelsize": 10,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "legend.fontsize": 9,
    "legend.frameon": False,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": INK,
    "axes.facecolor": "none",
    "xtick.color": INK,
    "ytick.color": INK,
    "grid.color": GRID,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "figure.constrained_layout.use": True,
    "figure.constrained_layout.h_pad": 0.08,  # inches above and below each of several axes
}


@contextmanager
def drawing(height: float, *, rows: int = 1) -> Iterator[tuple[Figure, list[Axes]]]:
    """A figure of the page's width and so many inches of height, and its axes one below the other."""
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(WIDTH, height))
        grid = figure.subplots(rows, 1, squeeze=False)
        yield figure, [axes for (axes,) in grid]


def svg_of(figure: Figure, name: str, title: str, description: str) -> Markup:
    """The figure as an `svg` element with `title` and `desc` for those who do not see it.

    Args:
        figure: from `drawing`, inside its context.
        name: unlike that of any other figure of the page; begins every id.
        title: what it shows.
        description: what is to be seen in it, in words.
    """
    written = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": name}):
        figure.savefig(written, format="svg", transparent=True, metadata={"Date": None})
    text = written.getvalue()
    text = re.sub(
        r"<metadata>.*?</metadata>|<defs>\s*<style.*?</style>\s*</defs>|<!--.*?-->", "", text, flags=re.DOTALL
    )
    # Data lies inside its axes, so that nothing needs clipping.
    text = re.sub(r"<defs>\s*(<clipPath.*?</clipPath>\s*)+</defs>", "", text, flags=re.DOTALL)
    text = re.sub(r' clip-path="url\(#[^)]*\)"', "", text)
    text = text.replace("xlink:href", "href")
    text = re.sub(r'\b(id="|href="#)', rf"\g<1>{name}-", text)
    for colour, filled in _PROPERTIES.items():
        text = text.replace(colour, filled)
    text = re.sub(r"font: ([0-9.]+)px [^;\"]*", r"font-size: \1px", text)
    view = re.search(r'viewBox="([^"]*)"', text)
    if view is None:
        raise AssertionError("matplotlib wrote an SVG without a viewBox")
    inside = text[text.index(">", view.end()) + 1 :]
    head = Markup(
        '<svg viewBox="{}" role="img" aria-labelledby="{}-title {}-desc"><title id="{}-title">{}</title>'
    ).format(view[1], name, name, name, title)
    described = Markup('<desc id="{}-desc">{}</desc>').format(name, description)
    return head + described + Markup(_condensed(inside))  # noqa: S704 - matplotlib escapes what it writes


def _condensed(text: str) -> str:
    return re.sub(r"\s*\n\s*", "\n", text).strip()
