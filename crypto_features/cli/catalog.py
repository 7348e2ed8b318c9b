"""`crypto-features catalog`: every table and feature on one page."""

import os
from pathlib import Path
from typing import Annotated

import typer

from crypto_features.cli.app import command


@command
def catalog(
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Where to write it; by default into the data folder.")
    ] = None,
    dagster: Annotated[
        str | None,
        typer.Option("--dagster", metavar="URL", help="Where people open Dagster, by default CRYPTO_FEATURES_UI_URL."),
    ] = None,
) -> None:
    """Write one HTML page with each table and feature: definition, lineage, values, cost, checks and coefficients.

    Examples:
        crypto-features catalog --out catalog.html
    """
    from dataclasses import replace
    from functools import partial

    from crypto_features.catalog_page.page import page, page_path, write_page
    from crypto_features.catalogs import current_catalog
    from crypto_features.graph.catalog_page import around
    from crypto_features.graph.checks import every_check
    from crypto_features.host.instance import dagster_environment, recorded
    from crypto_features.settings import Settings
    from crypto_features.sources import source
    from crypto_features.store import FeastResource

    settings, declared = Settings.load(), current_catalog()
    keys = [key for checks in every_check(settings, declared, partial(source, settings)) for key in checks.check_keys]
    if recorded(settings):
        os.environ.update(dagster_environment(settings))
        import dagster as dg

        with dg.DagsterInstance.get() as instance:
            known = around(settings, declared, keys, instance, FeastResource())
    else:
        known = around(settings, declared, keys, None, FeastResource())
    if dagster is not None:
        known = replace(known, dagster=dagster)
    path = page_path(settings, declared) if out is None else out
    write_page(path, page(settings, declared, known))
    typer.echo(f"{path} shows {len(declared.tables)} tables. Open it in a browser; it needs no server.")
