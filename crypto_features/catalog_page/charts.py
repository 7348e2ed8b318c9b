"""Small pictures as SVG: lines in the colour of the text, so that they read on white and on black."""

from collections.abc import Mapping, Sequence
from itertools import groupby
from urllib.parse import quote

import polars as pl
from markupsafe import Markup, escape

from crypto_features.catalog_page.entries import Distribution

WIDE, HIGH = 120.0, 28.0
"""Of a curve, in the units of its view box."""
SERIES = 120
"""Points of a line through time."""


def anchor(table: str, feature: str = "") -> str:
    """Where on the page a table or a feature is, as a part of an address."""
    return f"t-{quote(table, safe='')}" if not feature else f"f-{quote(table, safe='')}.{quote(feature, safe='')}"


def curve(values: Sequence[float | None], label: str) -> Markup:
    """A line through the values, broken where there is none.

    Args:
        values: Oldest first.
        label: What it shows, for those who cannot see it.
    """
    known = [value for value in values if value is not None]
    if not known:
        return Markup('<span class="none">no values</span>')
    low, high = min(known), max(known)
    scale = (HIGH - 4) / (high - low) if high > low else 0.0
    step = WIDE / max(len(values) - 1, 1)
    points = [(i * step, None if v is None else HIGH - 2 - (v - low) * scale) for i, v in enumerate(values)]
    if not scale:
        points = [(x, None if y is None else HIGH / 2) for x, y in points]
    parts = [[*run] for there, run in groupby(points, key=lambda point: point[1] is not None) if there]
    path = "".join(
        f"M{' '.join(f'{x:.1f},{y:.1f}' for x, y in part)}{'h1' if len(part) == 1 else ''}" for part in parts
    )
    return _svg(f'<path d="{path}"/>', WIDE, HIGH, label, "curve")


def bins(found: Distribution, label: str) -> Markup:
    """The counts of bins as columns."""
    width, most = WIDE / len(found.counts), max(found.counts)
    columns = "".join(
        f"M{i * width:.2f},{HIGH:g}v{-HIGH * count / most:.2f}h{width * 0.9:.2f}V{HIGH:g}z"
        for i, count in enumerate(found.counts)
        if count
    )
    return _svg(f'<path d="{columns}"/>', WIDE, HIGH, label, "bins")


def between(rows: Sequence[Mapping[str, float | None]], most: float, label: str) -> Markup:
    """A point with its interval for each row, side by side, around a line at 0.

    Args:
        rows: `ic`, `low` and `high` of each.
        most: The greatest value, without its sign, that the picture has to hold.
        label: What it shows.
    """
    middle, scale, width = HIGH / 2, (HIGH / 2 - 2) / (most or 1.0), WIDE / max(len(rows), 1)
    drawn = [f'<path class="zero" d="M0,{middle:g}H{WIDE:g}"/>']
    for place, row in enumerate(rows):
        x, ic, low, high = (place + 0.5) * width, row["ic"], row["low"], row["high"]
        if low is not None and high is not None:
            drawn.append(f'<path d="M{x:.1f},{middle - low * scale:.1f}V{middle - high * scale:.1f}"/>')
        if ic is not None:
            drawn.append(f'<path class="point" d="M{x - 5:.1f},{middle - ic * scale:.1f}h10"/>')
    return _svg("".join(drawn), WIDE, HIGH, label, "between")


def cumulated(series: pl.DataFrame, label: str) -> Markup:
    """The sum of the ICs of one horizon through time."""
    total = series["ic"].cum_sum()
    step = max(1, len(total) // SERIES)
    return curve([0.0, *total.gather_every(step).to_list()], label)


def graph(layers: Sequence[Sequence[str]], edges: Sequence[tuple[str, str]], kinds: Mapping[str, str]) -> Markup:
    """The tables from left to right, each right of those that it reads.

    Args:
        layers: Names, from the raw tables on.
        edges: Who is read, by whom.
        kinds: By name, its kind.
    """
    across, down, box, tall = 196.0, 40.0, 164.0, 26.0
    height = down * max(len(layer) for layer in layers) + 8
    place = {
        name: (4 + across * x, (height - down * len(layer)) / 2 + down * y + (down - tall) / 2)
        for x, layer in enumerate(layers)
        for y, name in enumerate(layer)
    }
    drawn = []
    for source, reader in edges:
        (x1, y1), (x2, y2) = place[source], place[reader]
        begin, end, bend = x1 + box, x2, max(24.0, (x2 - x1 - box) / 2)
        drawn.append(
            f'<path class="edge" d="M{begin:.0f},{y1 + tall / 2:.1f}C{begin + bend:.0f},{y1 + tall / 2:.1f} '
            f'{end - bend:.0f},{y2 + tall / 2:.1f} {end:.0f},{y2 + tall / 2:.1f}"/>'
        )
    for name, (x, y) in place.items():
        shown = name if len(name) <= 24 else f"{name[:23]}…"  # noqa: PLR2004 - what fits into a box.
        kind = kinds[name].replace(" ", "-")
        drawn.append(
            f'<a href="#{anchor(name)}"><rect class="{escape(kind)}" x="{x:.0f}" y="{y:.1f}" width="{box:g}" '
            f'height="{tall:g}" rx="5"/><text x="{x + box / 2:.0f}" y="{y + tall / 2 + 4:.1f}">{escape(shown)}'
            "</text></a>"
        )
    width = across * len(layers) - across + box + 8
    return Markup(  # noqa: S704 - names are escaped above, numbers are ours.
        f'<svg class="graph" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" height="{height:.0f}" '
        f'role="group" aria-label="Which table is made of which">{"".join(drawn)}</svg>'
    )


def _svg(content: str, wide: float, high: float, label: str, kind: str) -> Markup:
    return Markup(  # noqa: S704 - the content is numbers of ours.
        f'<svg class="{kind}" viewBox="0 0 {wide:g} {high:g}" preserveAspectRatio="none" role="img" '
        f'aria-label="{escape(label)}">{content}</svg>'
    )
