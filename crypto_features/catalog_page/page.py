"""The page itself: one HTML file that asks nothing of any server."""

import base64
import hashlib
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from urllib.parse import quote

import polars as pl
from jinja2 import BaseLoader, Environment, StrictUndefined
from markupsafe import Markup, escape
from upath import UPath

from crypto_features.catalog_page import charts
from crypto_features.catalog_page.content import content, newest
from crypto_features.catalog_page.entries import Around, TableEntry
from crypto_features.report.measure import PAST, FeatureReport
from crypto_features.settings import Settings
from crypto_features.tables.catalog import Catalog
from crypto_features.tables.table import SHIPPED
from crypto_features.whole_file import whole_file

_TEMPLATE = files(__package__) / "template"


def page_path(settings: Settings, catalog: Catalog) -> UPath:
    """Where the page of a catalog is written: in the data folder, of each project one."""
    name = "catalog.html" if catalog.project == SHIPPED else f"catalog-{catalog.project}.html"
    return settings.root / name


def write_page(path: Path | UPath, text: str) -> None:
    """Write the page whole or not at all."""
    with whole_file(path) as file:
        file.write(text.encode())


def page(settings: Settings, catalog: Catalog, around: Around) -> str:
    """The catalog as HTML: the same text for the same data and the same surroundings."""
    return rendered(catalog.project, content(settings, catalog, around), around.dagster)


def rendered(project: str, tables: Sequence[TableEntry], dagster: str) -> str:
    """Tables as HTML; whatever their names and texts hold is shown as it is, and never run.

    Args:
        project: Name of the project.
        tables: What is shown.
        dagster: Address of Dagster's UI.
    """
    style, script = _text("catalog.css"), _text("catalog.js")
    environment = Environment(
        loader=BaseLoader(), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.globals |= {
        "anchor": charts.anchor,
        "curve": charts.curve,
        "bins": charts.bins,
        "ic_chart": _ic_chart,
        "cumulated": _cumulated,
        "signed": _signed,
        "ticked": _ticked,
        "between": _between,
        "parts": _parts,
        "is_report": lambda report: isinstance(report, FeatureReport),
        "asset_url": lambda key: f"{dagster.rstrip('/')}/assets/{quote(key)}",
    }
    return environment.from_string(_text("catalog.html")).render(
        project=project,
        tables=tables,
        graph=_graph(tables),
        newest=newest(tables),
        features=sum(len(table.features) for table in tables),
        past=PAST,
        style=Markup(style),  # noqa: S704 - our own file.
        script=Markup(script),  # noqa: S704 - our own file.
        hashes={"style": _hash(style), "script": _hash(script)},
    )


def _graph(tables: Sequence[TableEntry]) -> Markup:
    """The tables in layers: each one right of all that it reads."""
    depth: dict[str, int] = {}
    for table in tables:  # each after those that it reads.
        depth[table.name] = 1 + max((depth[name] for name in table.reads), default=-1)
    layers = [[name for name, d in depth.items() if d == layer] for layer in range(max(depth.values(), default=0) + 1)]
    edges = [(source, table.name) for table in tables for source in table.reads]
    return charts.graph(layers, edges, {table.name: table.kind for table in tables})


def _ic_chart(report: FeatureReport) -> Markup:
    rows = report.by_horizon.select("ic", "low", "high").to_dicts()
    most = report.by_horizon.select(pl.max_horizontal(pl.col("ic", "low", "high").abs()).max()).item()
    return charts.between(rows, most or 1.0, f"IC of {report.feature} by horizon, with its interval")


def _cumulated(report: FeatureReport) -> Markup:
    horizon = report.by_horizon["horizon"][0]
    return charts.cumulated(report.series.filter(horizon=horizon), f"Sum of the ICs of {report.feature} through time")


def _ticked(text: str) -> Markup:
    """A text in which what stands between backticks is code."""
    parts = str(text).split("`")
    if len(parts) % 2 == 0:  # one backtick is left over: it is a character like others.
        parts[-2:] = ["`".join(parts[-2:])]
    coded = (Markup("<code>{}</code>").format(part) if i % 2 else escape(part) for i, part in enumerate(parts))
    return Markup().join(coded)


def _parts(report: FeatureReport, kind: str) -> list[tuple[str, list[str]]]:
    """By year or regime, the IC of each horizon with its interval."""
    frame = report.by_year if kind == "year" else report.by_regime
    horizons = report.by_horizon["horizon"].to_list()
    found = {(row[kind], row["horizon"]): row for row in frame.iter_rows(named=True)}
    names = list(dict.fromkeys(frame[kind]))
    cells = {name: [found.get((name, horizon)) for horizon in horizons] for name in names}
    return [(str(name), [_between(row) if row else "" for row in cells[name]]) for name in names]


def _between(row: dict[str, float | None]) -> str:
    """An IC with its interval."""
    if row["low"] is None or row["high"] is None:
        return _signed(row["ic"])
    return f"{_signed(row['ic'])} ({_signed(row['low'])} to {_signed(row['high'])})"


def _signed(value: float | None, digits: int = 3) -> str:
    """A number with its sign and a real minus; a dash for none."""
    if value is None:
        return "–"
    return f"{round(value, digits) or 0.0:+.{digits}f}".replace("-", "−")


def _text(name: str) -> str:
    return (_TEMPLATE / name).read_text(encoding="utf-8").strip()


def _hash(text: str) -> str:
    """What the browser holds a style or script against before it uses it: nothing else in the page is run."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
