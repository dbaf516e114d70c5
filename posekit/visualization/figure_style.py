"""How posekit's figures look, and how they are written: one place for colours, letters, axes and files.

Colours are told apart by people with any common colour blindness: the palette of Okabe and Ito for things
without an order, viridis for values of gamma, where gamma = 0 (plain MSE) is black. Every series has a mark
of its own too, for print without colours. Letters have 8 pt or more at the width of a page's text (6.3 in).
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from posekit.io.files import atomic_file

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's palette without yellow, which is too light for lines, and black, which is plain MSE's.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
MARKERS = "osD^v<>ph"
DASHES: tuple[Any, ...] = ("-", (0, (4, 1.2)), (0, (1.2, 1.2)), (0, (5, 1.2, 1.2, 1.2)))
MSE_LABELS = ("MSE", 0)
INK, SOFT, GRID = "#222222", "#666666", "#DDDDDD"
PAGE = 6.3  # inches: the text width of a page
SMALL, NORMAL, LARGE = 8, 9, 11  # points
LEGEND: dict[str, Any] = {"frameon": False, "fontsize": SMALL, "labelcolor": INK}
Label = str | float
# Metadata with the time or the program's version, which would make equal figures differ.
_UNDATED: dict[str, Any] = {
    "png": {"Software": None},
    "svg": {"Date": None, "Creator": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}


def new_figure(width: float = PAGE, height: float = 4.0) -> Figure:
    """An empty figure that needs no display; ``width`` and ``height`` in inches."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=200, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def headline(figure: Figure, title: str, notes: str = "") -> None:
    """A title at the top left, and below it in soft ink, on lines of its own, what the reader must know."""
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    inches = 0.06
    for text, size, colour in ((title, LARGE, INK), (notes, SMALL, SOFT)):
        if not text:
            continue
        place = 1 - inches / figure.get_figheight()
        figure.text(0.01, place, text, ha="left", va="top", fontsize=size, color=colour, linespacing=1.3)
        inches += 1.35 * size / 72 * (1 + text.count("\n")) + 0.03
    engine = figure.get_layout_engine()
    if isinstance(engine, ConstrainedLayoutEngine):
        engine.set(rect=(0, 0, 1, 1 - inches / figure.get_figheight()))


def label_text(label: Label) -> str:
    """A series' name; a number is a gamma."""
    if isinstance(label, str):
        return label
    return f"γ = {label:g}" + (" (MSE)" if label == 0 else "")


def series_colours(labels: Iterable[Label]) -> list[Any]:
    """A colour each: in the order of viridis if all are values of gamma, else Okabe and Ito's in turn.

    Plain MSE, gamma 0, is black in either.
    """
    labels = list(labels)
    if not labels or any(isinstance(label, str) for label in labels):
        others = iter(range(len(labels)))
        return [INK if label in MSE_LABELS else COLOURS[next(others) % len(COLOURS)] for label in labels]
    from matplotlib import colormaps

    ordered = sorted({float(label) for label in labels} - {0.0})
    # The dark end is too near gamma 0's black, the light one too near the paper.
    shades = np.linspace(0.25, 0.78, len(ordered)) if len(ordered) != 1 else np.array([0.5])
    places = dict(zip(ordered, shades.tolist(), strict=True))
    return [INK if label == 0 else colormaps["viridis"](places[float(label)]) for label in labels]


def series_looks(labels: Iterable[Label]) -> list[dict[str, Any]]:
    """Colour, dashes and mark of each series; where colours come again, the dashes differ."""
    looks: list[dict[str, Any]] = []
    for number, colour in enumerate(series_colours(labels := list(labels))):
        before = sum(look["color"] == colour for look in looks)
        marker = MARKERS[number % len(MARKERS)]
        looks.append({"color": colour, "ls": DASHES[before % len(DASHES)], "marker": marker})
    return looks


def finish_axes(axes: Axes, x: str, y: str, title: str = "") -> None:
    """Axis labels, a light grid behind the data, no frame at the top and at the right; epochs are whole."""
    if x == "epoch":
        axes.locator_params(axis="x", integer=True)
    axes.set_xlabel(x, color=INK, fontsize=NORMAL)
    axes.set_ylabel(y, color=INK, fontsize=NORMAL)
    if title:
        axes.set_title(title, color=INK, fontsize=NORMAL, loc="left")
    axes.grid(True, color=GRID, lw=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(which="both", colors=INK, labelsize=SMALL)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def add_legend(axes: Axes) -> None:
    """A legend in the axes' emptiest corner, or to the right of them if it has many lines."""
    handles, texts = axes.get_legend_handles_labels()
    if not handles:
        return
    outside: dict[str, Any] = {"loc": "upper left", "bbox_to_anchor": (1.01, 1.0), "borderaxespad": 0}
    axes.legend(handles, texts, **LEGEND, **(outside if len(texts) > 6 else {}))


def legend_below(
    figure: Figure,
    handles: Iterable[Any],
    texts: Iterable[str],
    *,
    columns: int = 0,
    side: str = "center",
    **options: Any,
) -> None:
    """One legend below all panels; nothing without a line."""
    if texts := list(texts):
        place: dict[str, Any] = {"loc": f"outside lower {side}", "ncols": columns or legend_columns(texts)}
        figure.legend(list(handles), texts, **place, **LEGEND, **options)


def legend_columns(texts: Sequence[str], width: float = PAGE, most: int = 4) -> int:
    """How many columns of a legend fit side by side below a figure of this width, inches."""
    letters = 16.3 * width  # of SMALL size; a line's sample and the gap are worth ten
    return max(1, min(most, len(texts), int(letters / (10 + max(map(len, texts), default=0)))))


def log_if_positive(axes: Axes) -> np.ndarray | None:
    """A logarithmic scale for an axis whose values, which are returned, are all above 0."""
    values = np.concatenate([np.empty(0), *(np.asarray(line.get_ydata(), np.float64) for line in axes.lines)])
    if not (values > 0).any() or (values <= 0).any():
        return None
    axes.set_yscale("log")
    return values


def say_nothing_there(axes: Axes, text: str) -> None:
    """Writes into an empty panel why it is empty, in place of its scale."""
    axes.tick_params(which="both", left=False, labelleft=False)
    axes.grid(visible=False, which="both")
    axes.text(
        0.5, 0.5, text, ha="center", va="center", transform=axes.transAxes,
        fontsize=SMALL, color=SOFT, wrap=True,
    )  # fmt: skip


def save_figure(
    figure: Figure, path_without_suffix: str | Path, formats: Sequence[str] = ("png", "svg")
) -> list[Path]:
    """Writes a figure atomically, in each format; the same figure always gives the same bytes.

    Args:
        figure: What to write.
        path_without_suffix: ``out/name`` becomes ``out/name.png`` and ``out/name.svg``; dots in it stay.
        formats: Any that matplotlib writes.

    Returns:
        The paths, in the order of ``formats``.

    Raises:
        OSError: If they cannot be written; what was there before stays.
    """
    from matplotlib import rc_context

    written = []
    for suffix in formats:
        path = Path(f"{path_without_suffix}.{suffix}")
        with rc_context({"svg.hashsalt": "posekit"}), atomic_file(path) as file:
            figure.savefig(file, format=suffix, metadata=_UNDATED.get(suffix))
        written.append(path)
    return written


def svg_text(figure: Figure) -> str:
    """A figure as the text of an svg file; the same figure always gives the same text."""
    from matplotlib import rc_context

    buffer = io.BytesIO()
    with rc_context({"svg.hashsalt": "posekit"}):
        figure.savefig(buffer, format="svg", metadata=_UNDATED["svg"])
    return buffer.getvalue().decode("utf-8")
