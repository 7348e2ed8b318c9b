"""`crypto-features plan`: what has to be computed again, and why."""

import json
import os
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from crypto_features.cli.app import command
from crypto_features.errors import InputError

if TYPE_CHECKING:
    from crypto_features.features.plan import Stale
    from crypto_features.settings import Settings

READ_FROM_NOW_ON = (
    "Training reads them now, and an added or removed feature after `feast apply` in feature_repo; the online store "
    "serves them after `crypto-features run`, which does both, or by the automation of `dev`."
)


@command
def plan(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print the list as JSON, for CI.")] = False,
    exact: Annotated[
        bool, typer.Option("--exact", help="Compute new definitions in memory, and leave out what comes out equal.")
    ] = False,
    run: Annotated[bool, typer.Option("--run", help="Materialize exactly that through Dagster.")] = False,
) -> None:
    """List every partition that is stale, with the reason; nothing is written unless --run is given."""
    from crypto_features.recompute import EVERY_MONTH, stale_partitions
    from crypto_features.settings import Settings

    settings = Settings.load()
    stale = stale_partitions(settings, exact=exact)
    if as_json:
        typer.echo(json.dumps([_facts(item) for item in stale], indent=1))
    else:
        _show(stale)
    if run and any(item.partition == EVERY_MONTH for item in stale):
        raise InputError(f"{settings.root} holds no candles to compute from; `crypto-features run` fetches them.")
    if run and stale:
        _materialize(settings, stale)
        typer.echo(f"{len(stale)} partitions materialized. {READ_FROM_NOW_ON}", err=as_json)


def _materialize(settings: "Settings", stale: "Sequence[Stale]") -> None:
    """One Dagster run for each range of months in which the same assets are stale, oldest first."""
    from crypto_features.instance import dagster_environment

    os.environ.update(dagster_environment(settings))
    import dagster as dg

    from crypto_features.definitions import build
    from crypto_features.materialize import QUIET, RunFailedError, cause, command_tags

    job = build(settings).resolve_implicit_global_asset_job_def()
    with dg.DagsterInstance.get() as instance:
        for first, last, assets in _ranges(stale):
            result = job.execute_in_process(
                run_config=QUIET,
                instance=instance,
                tags=command_tags(first, last),
                asset_selection=[dg.AssetKey(asset) for asset in assets],
                raise_on_error=False,
            )
            if not result.success:
                raise RunFailedError(f"{first} to {last}: {cause(result.all_events)}")


def _ranges(stale: "Sequence[Stale]") -> "Iterator[tuple[str, str, frozenset[str]]]":
    """First month, last month and assets of each range; every month in between has just these assets."""
    from crypto_features.features.months import month_span

    months = sorted({item.partition for item in stale})
    assets = {month: frozenset(item.asset for item in stale if item.partition == month) for month in months}
    first = months[0]
    for month, following in zip(months, [*months[1:], None], strict=True):
        if following is None or assets[following] != assets[month] or month_span(month)[1] != month_span(following)[0]:
            yield first, month, assets[month]
            first = following or month


def _facts(item: "Stale") -> dict[str, object]:
    return {
        "asset": item.asset,
        "partition": item.partition,
        "reason": item.reason.value,
        "details": list(item.details),
    }


def _show(stale: "Sequence[Stale]") -> None:
    console = Console()
    if not stale:
        console.print("Nothing is stale.")
        return
    table = Table("Asset", "Partitions", "Reason", "Details")
    for (asset, reason), items in groupby(stale, key=lambda item: (item.asset, item.reason.value)):
        months = [(item.partition, ", ".join(item.details)) for item in items]
        span = months[0][0] if len(months) == 1 else f"{months[0][0]} … {months[-1][0]} ({len(months)})"
        table.add_row(asset, span, reason, months[0][1])
    console.print(table)
    console.print(f"{len(stale)} partitions are stale. `crypto-features plan --run` computes exactly these.")
