"""One look for every plot: transparent, with inks that read on Dagster's white and on its black.

Matplotlib is imported where it is used: loading the code location does not pay for it.
"""

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK = "#797979"
"""Text and axes: a contrast of 4.2 or better with white and with Dagster's dark background."""
LINE = "#3f7fbf"
ACCENT = "#b9770e"
GOOD, BAD, QUIET = "#2f8a5b", "#cf4a58", "#8a8a8a"
REGIMES = {"BULL": GOOD, "BEAR": BAD, "SIDEWAYS": QUIET}

DPI = 110
_WIDTH = 8.0


def figure(
    rows: int = 1, columns: int = 1, *, height: float = 2.8, title: str = "", heights: Sequence[float] | None = None
) -> "tuple[Figure, list[Axes]]":
    """An empty transparent figure of 880 pixels and its axes, row by row."""
    from matplotlib.figure import Figure

    drawn = Figure(figsize=(_WIDTH, height), dpi=DPI, layout="constrained")
    drawn.patch.set_alpha(0)
    axes: list[Axes] = list(drawn.subplots(rows, columns, squeeze=False, height_ratios=heights).flat)
    for one in axes:
        one.patch.set_alpha(0)
        one.tick_params(which="both", colors=INK, labelsize=7, length=2)
        one.grid(visible=True, color=INK, alpha=0.2, linewidth=0.5)
        for name, spine in one.spines.items():
            spine.set_visible(name in ("left", "bottom"))
            spine.set_color(INK)
    if title:
        drawn.suptitle(title, color=INK, fontsize=10, x=0.01, ha="left")
    return drawn, axes


def dates(axes: "Axes") -> None:
    """Label the time axis as briefly as its span allows."""
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    locator = AutoDateLocator(minticks=3)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator, tz="UTC"))
    axes.xaxis.get_offset_text().set_color(INK)
    axes.xaxis.get_offset_text().set_fontsize(7)


def legend(axes: "Axes", **options: Any) -> None:
    """A legend above the axes, on one line."""
    axes.legend(frameon=False, fontsize=7, labelcolor=INK, ncols=6, loc="lower right", bbox_to_anchor=(1, 1), **options)


def png(drawn: "Figure") -> bytes:
    """The figure as PNG, the same bytes whenever it is drawn."""
    buffer = io.BytesIO()
    drawn.savefig(buffer, format="png", transparent=True, metadata={"Software": None}, pil_kwargs={"compress_level": 6})
    return buffer.getvalue()
