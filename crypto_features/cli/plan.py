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
    from crypto_features.settings import Settings
    from crypto_features.versions.plan import Plan, Stale

READ_FROM_NOW_ON = (
    "Training reads them now; the online store serves them if training sets were among them, and else after "
    "`crypto-features run` or by the automation of `dev`."
)


@command
def plan(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print the list as JSON, for CI.")] = False,
    exact: Annotated[
        bool, typer.Option("--exact", help="Compute new definitions in memory, and leave out what comes out equal.")
    ] = False,
    last_bits: Annotated[
        bool, typer.Option("--last-bits", help="With --run, also publish values that differ in their last bits only.")
    ] = False,
    refit: Annotated[
        str | None, typer.Option("--refit", metavar="MONTH", help="Fit published models of this month and later again.")
    ] = None,
    run: Annotated[bool, typer.Option("--run", help="Materialize exactly that through Dagster.")] = False,
) -> None:
    """List every partition that is stale, with the reason; nothing is written unless --run is given.

    Examples:
        crypto-features plan
        crypto-features plan --exact --run
        crypto-features plan --refit 2024-06
    """
    from crypto_features.graph.recompute import EVERY_MONTH, plan_of, renote
    from crypto_features.settings import Settings
    from crypto_features.tables.months import month_span
    from crypto_features.versions.plan import Reason

    settings = Settings.load()
    if refit is not None:
        month_span(refit)
    asked = {
        Reason.DEFINITION_CHANGED: run or exact,
        Reason.OLDER_VERSION: run or exact,
        Reason.FEATURE_CHANGED: exact,
        Reason.LAST_BITS: last_bits,
    }
    found = plan_of(settings, confirm=frozenset(reason for reason, wanted in asked.items() if wanted), refit=refit)
    if as_json:
        typer.echo(json.dumps([_facts(item) for item in found.stale], indent=1))
    else:
        _show(found)
    if not run:
        return
    if any(item.partition == EVERY_MONTH for item in found.stale):
        raise InputError(f"{settings.root} holds no candles to compute from; `crypto-features run` fetches them.")
    chosen = [item for item in found.stale if last_bits or item.reason is not Reason.LAST_BITS]
    if chosen:
        _materialize(settings, chosen, refit=refit is not None)
        typer.echo(f"{len(chosen)} partitions materialized. {READ_FROM_NOW_ON}", err=as_json)
    renote(settings, found.settled)
    if found.settled:
        typer.echo(
            f"{len(found.settled)} partitions hold what they should; only their notes were renewed.", err=as_json
        )


def _materialize(settings: "Settings", stale: "Sequence[Stale]", *, refit: bool) -> None:
    """One Dagster run for each range of months in which the same assets are stale, oldest first."""
    from crypto_features.host.instance import dagster_environment
    from crypto_features.lake.room import require_room

    require_room(settings.root, settings.disk_reserve)
    os.environ.update(dagster_environment(settings))
    import dagster as dg

    from crypto_features.catalogs import current_catalog
    from crypto_features.code_location import build
    from crypto_features.graph.asset_names import registry_asset
    from crypto_features.graph.materialize import QUIET, RunFailedError, cause, command_tags
    from crypto_features.graph.models import model_config
    from crypto_features.lake.table import Table

    catalog, runs = current_catalog(), [*ranges(stale)]
    if any(item.asset.startswith("training/") for item in stale):
        # The registry is applied with a training set; a view that it changes is empty online until it is published.
        newest = Table(settings.root, catalog.raw.name).months()[-1]
        runs.append((newest, newest, frozenset(f"online_store/{view}" for view in catalog.groups)))
    job = build(settings).resolve_implicit_global_asset_job_def()
    with dg.DagsterInstance.get() as instance:
        for first, last, assets in runs:
            models = sorted(catalog.models.keys() & assets) if refit else []
            refits = {"ops": {name: model_config(refit=True) for name in models}} if models else {}
            trained = any(asset.startswith("training/") for asset in assets)
            asked = assets | {registry_asset(catalog)} if trained else assets
            result = job.execute_in_process(
                run_config=QUIET | refits,
                instance=instance,
                tags=command_tags(first, last, "plan --run"),
                asset_selection=[dg.AssetKey(asset.split("/")) for asset in asked],
                raise_on_error=False,
            )
            if not result.success:
                raise RunFailedError(f"{first} to {last}: {cause(result.all_events)}")


def ranges(stale: "Sequence[Stale]") -> "Iterator[tuple[str, str, frozenset[str]]]":
    """First month, last month and assets of each range; every month in between has just these assets."""
    from crypto_features.tables.months import month_span

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


def _show(plan: "Plan") -> None:
    console = Console()
    if not plan.stale:
        console.print("Nothing is stale.")
    else:
        table = Table("Asset", "Partitions", "Reason", "Details")
        for (asset, reason), items in groupby(plan.stale, key=lambda item: (item.asset, item.reason.value)):
            found = list(items)
            table.add_row(asset, _span(found), reason, ", ".join(found[0].details))
        console.print(table)
        count = len(plan.stale)
        console.print(f"{count} partitions are stale. `crypto-features plan --run` computes exactly these.")
    if plan.kept:
        console.print(
            f"Published models stay as they are, and {len(plan.kept)} of them were fitted from rows that have changed "
            f"since: {_span(plan.kept)}. `crypto-features plan --refit {plan.kept[0].partition}` lists what fitting "
            "them again changes.",
            highlight=False,
        )


def _span(items: "Sequence[Stale]") -> str:
    first, last = items[0].partition, items[-1].partition
    return first if len(items) == 1 else f"{first} … {last} ({len(items)})"
