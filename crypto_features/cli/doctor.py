"""`crypto-features doctor`: what is wrong with an installation, and what puts it right."""

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from crypto_features.cli.app import command

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crypto_features.health.finding import Finding

_COLOURS = {"ok": "green", "warn": "yellow", "wrong": "bold red"}


@command
def doctor(*, as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False) -> None:
    """Examine environment, data folder, clock, store, source and Dagster's home; nothing is written.

    Ends with exit code 1 if something is wrong; each finding says what puts it right.

    Examples:
        crypto-features doctor
        crypto-features doctor --json
    """
    console = Console(stderr=True)
    with console.status("Loading") as shown:
        from crypto_features.health.doctor import examine
        from crypto_features.health.finding import Level

        found = list(examine(lambda part: shown.update(f"Examining: {part}")))
    grave = [one for one in found if one.level is Level.WRONG]
    if as_json:
        typer.echo(json.dumps([asdict(one) for one in found], indent=1))
    else:
        _show(Console(), found)
        warned = sum(one.level is Level.WARN for one in found)
        typer.echo(f"\n{len(found)} findings: {len(grave)} wrong, {warned} to know.")
    if grave:
        raise typer.Exit(1)


def _show(console: Console, found: "Sequence[Finding]") -> None:
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold", max_width=14)
    table.add_column(overflow="fold")
    for one in found:
        todo = f"\n[bold]To do:[/] {escape(one.todo)}" if one.todo else ""
        table.add_row(f"[{_COLOURS[one.level]}]{one.level}[/]", escape(one.about), escape(one.text) + todo)
    console.print(table, highlight=False)
