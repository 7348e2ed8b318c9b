"""`crypto-features features`: every feature with its unit, window and definition."""

import json
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table

from crypto_features.cli.app import command
from crypto_features.errors import UnknownNameError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta

    from crypto_features.tables.catalog import Catalog
    from crypto_features.tables.feature import Feature
    from crypto_features.tables.group import FeatureGroup


@command
def features(
    name: Annotated[
        str | None, typer.Argument(help="A feature, a table, or both as price_features:rsi_14; by default all.")
    ] = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print the list as JSON.")] = False,
) -> None:
    """List every feature with its unit, window and definition.

    Examples:
        crypto-features features
        crypto-features features price_features:rsi_14
    """
    from crypto_features.catalogs import current_catalog
    from crypto_features.settings import Settings

    catalog, interval = current_catalog(), Settings.load().interval
    found = chosen(catalog, name)
    if as_json:
        typer.echo(
            json.dumps([facts(group, feature, interval) for group, feature in found], indent=1, ensure_ascii=False)
        )
        return
    console = Console()
    for group in dict.fromkeys(group for group, _ in found):
        _show(console, group, [feature for of, feature in found if of is group], interval)
    if len(found) == 1:
        _show_more(console, catalog, *found[0])


def chosen(catalog: "Catalog", name: str | None) -> "list[tuple[FeatureGroup, Feature]]":
    """The features of that name, of the table of that name, or all.

    Raises:
        UnknownNameError: if nothing is named so.
    """
    every = [(group, feature) for group in catalog.groups.values() for feature in group.features]
    if name is None:
        return every
    found = [(g, f) for g, f in every if name in (g.name, f.name, f"{g.name}:{f.name}")]
    if not found:
        table, colon, _ = name.partition(":")
        if colon and table in catalog.groups:
            raise UnknownNameError("feature", name, (f"{table}:{f.name}" for f in catalog.groups[table].features))
        raise UnknownNameError("feature or feature group", name, [*catalog.groups, *(f.name for _, f in every)])
    return found


def facts(group: "FeatureGroup", feature: "Feature", interval: "timedelta") -> dict[str, object]:
    """What `--json` prints of a feature."""
    from crypto_features.catalog_page.declared import clock_text, definition_text

    return {
        "view": group.name,
        "name": feature.name,
        "unit": feature.unit,
        "dtype": str(feature.column_type),
        "bars": clock_text(group, interval),
        "window": feature.window,
        "warm_up": feature.warm_up,
        "lookback_seconds": feature.calendar.total_seconds(),
        "bounds": feature.range,
        "description": feature.description,
        "expression": definition_text(group, feature),
    }


def _show(console: Console, group: "FeatureGroup", found: "Sequence[Feature]", interval: "timedelta") -> None:
    from crypto_features.catalog_page.declared import clock_text, window_text

    head = f"[bold]{escape(group.name)}[/], bars of {clock_text(group, interval)}. {escape(group.description)}"
    console.print(head, highlight=False)
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    table.add_column("Feature", overflow="fold", max_width=20)
    table.add_column("Unit", overflow="fold", max_width=14)
    table.add_column("Window", overflow="fold", max_width=14)
    table.add_column("Definition", overflow="fold")
    for feature in found:
        table.add_row(*map(escape, (feature.name, feature.unit, _brief(window_text(feature)), feature.description)))
    console.print(Padding(table, (0, 0, 1, 2)))


def _brief(window: str) -> str:
    """Bars are what windows are counted in: `513, from 15` in a column."""
    return window.replace(" bars", "").replace(" bar", "").replace("a value ", "")


def _show_more(console: Console, catalog: "Catalog", group: "FeatureGroup", feature: "Feature") -> None:
    """What a person asks next of one feature."""
    from crypto_features.catalog_page.declared import definition_text, readers_of_column
    from crypto_features.tables.lineage import lineage

    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    sources = ", ".join(f"{source}.{column}" for source, column in lineage(group)[feature.name])
    readers = ", ".join(f"{one.kind} {one.name}" for one in readers_of_column(catalog, group.name, feature.name))
    for term, text in (
        ("Type", str(feature.column_type)),
        ("Bounds", feature.range or "none"),
        ("Computed from", sources),
        ("Read by", readers or "nobody in this catalog"),
        ("Expression", definition_text(group, feature)),
    ):
        table.add_row(term, escape(text))
    console.print(Padding(table, (0, 0, 0, 2)))
