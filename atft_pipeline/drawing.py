"""How figures look: one style, and the same figure as PNG for metadata or as SVG that follows the page's colours."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure

EPOCH = date(1970, 1, 1).toordinal()
"""Day 0 of a date axis."""

INK, MUTED, GRID = "#24292f", "#6b7480", "#e3e7eb"
SERIES = ("#2f6f8f", "#c08a3e", "#7d8a97", "#b4a7c7", "#9db8a0", "#c7a3a0")
ROLES = {"train": "#d3dce4", "validation": "#9fb9ca", "test": "#2f6f8f", "holdout": "#c08a3e"}

CSS_NAMES = {INK: "ink", MUTED: "muted", GRID: "grid", ROLES["train"]: "train", ROLES["validation"]: "validation"}
CSS_NAMES |= {colour: f"series-{i}" for i, colour in enumerate(SERIES)}
"""Colour -> CSS variable: an SVG carries the names, so that a dark page can give them other values."""

STYLE: dict[Any, Any] = {
    "font.size": 9.0,
    "font.family": "sans-serif",
    "text.color": INK,
    "axes.labelcolor": MUTED,
    "axes.edgecolor": GRID,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.major.size": 0.0,
    "ytick.major.size": 0.0,
    "legend.frameon": False,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "svg.hashsalt": "atft",
    "svg.fonttype": "none",
}


@contextmanager
def style() -> Iterator[None]:
    """Draw and save under the project's style; matplotlib reads some of it only when a file is written."""
    with mpl.rc_context(STYLE):
        yield


def to_png(figure: Figure) -> bytes:
    """PNG on white; equal figures give equal bytes."""
    buffer = io.BytesIO()
    with style():
        figure.savefig(buffer, format="png", dpi=144, facecolor="white", metadata={"Software": None})
    return buffer.getvalue()


def to_svg(figure: Figure) -> str:
    """An `<svg>` element to put into a page, colours as CSS variables; equal figures give equal text."""
    buffer = io.StringIO()
    with style():
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r' xmlns(:\w+)?="[^"]*"| (width|height)="[\d.]+pt"', "", text)
    for colour, name in CSS_NAMES.items():
        text = text.replace(colour, f"var(--{name})")
    return text


def new_figure(height: float) -> tuple[Figure, Axes]:
    """A page-wide figure with one plot; height in inches."""
    figure = Figure(figsize=(8.6, height), layout="constrained")
    return figure, figure.subplots()


def colour(number: int) -> str:
    """Colour of the n-th series, 0 for the model."""
    return SERIES[number % len(SERIES)]


def legend(axes: Axes, columns: int) -> None:
    """Legend above the plot, flush left."""
    axes.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=columns, labelcolor=INK, borderaxespad=0.2)


def day_numbers(days: Sequence[date]) -> list[float]:
    """Days as matplotlib counts them."""
    return [float(day.toordinal() - EPOCH) for day in days]


def date_axis(axes: Axes) -> None:
    """Horizontal axis of dates, as short as can be."""
    locator = AutoDateLocator(minticks=4, maxticks=9)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator, show_offset=False))  # type: ignore[no-untyped-call]
