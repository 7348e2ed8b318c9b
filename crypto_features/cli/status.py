"""`crypto-features status`: how every table and online view is, on one screen."""

import json
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table

from crypto_features.cli.app import command

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from crypto_features.health.state import TableState
    from crypto_features.health.status import Status

_COLOURS = {"ok": "green", "off": "yellow", "failed": "red", "skipped": "yellow"}


@command
def status(
    *, as_json: Annotated[bool, typer.Option("--json", help="Print all of it as JSON, times in UTC.")] = False
) -> None:
    """Show how old each table and online view is, its newest run, and what fails; nothing is written.

    Ends with exit code 1 if a table or view is late, missing or damaged.

    Examples:
        crypto-features status
        crypto-features status --json
    """
    console = Console()
    with console.status("Looking") if not as_json and console.is_terminal else console.capture():
        from crypto_features.catalogs import current_catalog
        from crypto_features.health.status import status as read
        from crypto_features.settings import Settings

        settings = Settings.load()
        found = read(settings, current_catalog())
    if as_json:
        typer.echo(json.dumps(facts(found), indent=1))
    else:
        console.print(f"[bold]{escape(str(settings.root))}[/] at {found.now:%Y-%m-%d %H:%M} UTC", soft_wrap=True)
        _show(console, found)
    if found.late:
        raise typer.Exit(1)


def facts(found: "Status") -> dict[str, object]:
    """What `--json` prints: lengths of time are seconds, times are ISO 8601 in UTC."""
    return {
        "now": found.now.isoformat(),
        "late": found.late,
        "tables": [_facts(one) for one in found.tables],
        "views": [_facts(one) for one in found.views],
        "problems": [{"title": p.title, "detail": p.detail, "action": p.action, "url": p.url} for p in found.problems],
    }


def _facts(one: "TableState") -> dict[str, object]:
    lengths = {"age_seconds": one.age, "allowed_seconds": one.allowed, "behind_seconds": one.behind}
    run = one.run and {"id": one.run.run_id, "at": one.run.at.isoformat(), "result": one.run.result}
    return {
        "name": one.name,
        "state": one.state.value,
        "why": one.why,
        "todo": one.todo,
        "newest": one.newest and one.newest.isoformat(),
        **{name: None if length is None else length.total_seconds() for name, length in lengths.items()},
        "run": run,
        "failed_checks": list(one.failed_checks),
    }


def _show(console: Console, found: "Status") -> None:
    console.print(_grid("Table", found.tables))
    console.print()
    console.print(_grid("Online view", found.views))
    for (state, why, todo), names in _grouped((*found.tables, *found.views)):
        _tell(console, f"{state.capitalize()}: {', '.join(names)}", why, todo)
    for problem in found.problems:
        _tell(console, problem.title, problem.detail, problem.action)
    what = "Something is late." if found.late else "Nothing is late."
    more = "" if not found.problems else " `crypto-features dev` shows the runs and checks that fail."
    console.print(f"\n[bold]{what}[/]{more}")


def _grouped(states: "Sequence[TableState]") -> "Iterable[tuple[tuple[str, str, str], list[str]]]":
    """What is wrong, once for all of which it is true."""
    found: dict[tuple[str, str, str], list[str]] = {}
    for one in states:
        if one.why:
            found.setdefault((one.state.value, one.why, one.todo), []).append(one.name)
    return found.items()


def _tell(console: Console, title: str, text: str, todo: str) -> None:
    console.print(f"\n[bold]{escape(title)}[/]", highlight=False)
    for paragraph in filter(None, (text, todo and f"To do: {todo}")):
        console.print(Padding(escape(paragraph), (0, 0, 0, 2)), highlight=False)


def _grid(what: str, states: "Sequence[TableState]") -> Table:
    from crypto_features.durations import spoken

    grid = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="bold")
    grid.add_column(what, overflow="fold")
    grid.add_column("State", no_wrap=True)
    grid.add_column("Newest row, UTC", no_wrap=True)
    grid.add_column("Age", justify="right", no_wrap=True)
    grid.add_column("Behind", justify="right", no_wrap=True)
    grid.add_column("Last run, ago", no_wrap=True)
    grid.add_column("Fails", justify="right", no_wrap=True)
    for one in states:
        grid.add_row(
            one.name.removeprefix("online_store/").removeprefix("training/"),
            _coloured(one.state.value),
            f"{one.newest:%Y-%m-%d %H:%M}" if one.newest else "",
            spoken(one.age) if one.age is not None else "",
            spoken(one.behind) if one.behind else "",
            f"{_coloured(one.run.result)} {spoken(one.run.ago)}" if one.run else "",
            str(len(one.failed_checks) or ""),
        )
    return grid


def _coloured(word: str) -> str:
    return f"[{_COLOURS.get(word, 'bold red' if word in ('late', 'missing', 'damaged') else 'default')}]{word}[/]"
