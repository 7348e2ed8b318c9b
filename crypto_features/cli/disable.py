"""`crypto-features disable` and `enable`: the kill switch of the online store."""

from typing import Annotated

import typer

from crypto_features.cli.app import command

Name = Annotated[str, typer.Argument(help="A feature view, such as price_features, or a symbol, such as BTC.")]


@command
def disable(name: Name, why: Annotated[str, typer.Option(help="The reason, for whoever finds it.")]) -> None:
    """Stop serving a view or a symbol in every process within a second.

    Examples:
        crypto-features disable price_features --why "wrong candles of BTC"
        crypto-features disable BTC --why "delisted tomorrow"
    """
    from crypto_features.store import switch

    if not switch.disable(name, why):
        typer.echo(
            f"Neither a view nor a symbol {name} was found, and not everything could be read: mind its spelling."
        )
    typer.echo(f"{name} is not served any more: {why}. Bring it back with: crypto-features enable {name}")


@command
def enable(name: Name) -> None:
    """Serve a view or a symbol again.

    Examples:
        crypto-features enable price_features
    """
    from crypto_features.store import switch

    switch.enable(name)
    typer.echo(f"{name} is served again.")
