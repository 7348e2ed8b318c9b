"""Where raw rows come from: one file a source, chosen by the setting `source` or by the raw table itself."""

from collections.abc import Callable
from importlib import import_module
from inspect import signature
from typing import Any, TypeVar

from crypto_features.errors import SettingsError
from crypto_features.settings import Settings
from crypto_features.sources.listings import Listing, parse_listings
from crypto_features.sources.source import Source
from crypto_features.tables.derivative_rows import DERIVATIVES, FUNDING
from crypto_features.tables.raw import RawTable

T = TypeVar("T")
Opening = Callable[[], Source]
"""Opens the source that is chosen, or gives the one that is open."""
_NAMES = ("sample", "files", "ccxt", "archive")


def source(settings: Settings) -> Source:
    """The source that the settings choose: one of these, or your own, written as `module:function`.

    The function is called with the settings and returns the source; a class with such a constructor will do.

    Raises:
        SettingsError: if there is no such source, or a setting that it needs is missing or wrong.
    """
    if settings.source == "sample":
        from crypto_features.sources.sample import SampleSource

        return SampleSource(settings.interval)
    if settings.source == "files":
        from crypto_features.sources.files import FilesSource
        from crypto_features.sources.vendor import Choices

        if not settings.files:
            raise SettingsError(
                "CRYPTO_FEATURES_SOURCE=files needs CRYPTO_FEATURES_FILES, a folder of candle files such as BTC.csv."
            )
        return FilesSource(
            settings.files,
            settings.interval,
            Choices.of(settings),
            cache=settings.root / ".sources",
            wait=settings.late_wait,
            venue=settings.files_venue,
        )
    if settings.source == "ccxt":
        from crypto_features.sources.exchange import ExchangeSource

        return ExchangeSource(settings.exchange, **_at_exchange(settings, settings.exchange), **_listed(settings))
    if settings.source == "archive":
        from crypto_features.sources.archive import ArchiveSource

        return ArchiveSource(settings.archive_url, **_at_archive(settings), **_listed(settings))
    if ":" in settings.source:
        return _own(settings)
    raise SettingsError(f"CRYPTO_FEATURES_SOURCE={settings.source!r} is not a source; choose {', '.join(_NAMES)}.")


def source_of(settings: Settings, raw: RawTable) -> Source:
    """The source of a raw table: its own one if it names one, else the one that the settings choose.

    Raises:
        SettingsError: if there is no such source of its kind of rows, or a setting that it needs is missing or wrong.
    """
    if raw.source is None and raw.has_prices:
        return source(settings)
    chosen = raw.source or settings.derivatives_source
    if not chosen:
        raise SettingsError(f"{raw.name} needs CRYPTO_FEATURES_DERIVATIVES_SOURCE, such as archive or ccxt.")
    name, _, exchange = chosen.partition(":")
    if exchange and name not in ("ccxt", "archive"):
        return _own(settings.model_copy(update={"source": chosen}))
    if raw.has_prices:
        other = {"source": name} | ({"exchange": exchange, "exchange_url": None} if exchange else {})
        return source(settings.model_copy(update=other))
    if raw.rows.name not in (FUNDING.name, DERIVATIVES.name) or name not in ("ccxt", "archive"):
        raise SettingsError(
            f"{raw.name} has the source {chosen!r}, which has no {raw.rows.name}; choose archive, ccxt, "
            "ccxt:<exchange>, or your own as <module>:<function>."
        )
    is_funding, futures = raw.rows.name == FUNDING.name, _futures(settings)
    if name == "archive":
        from crypto_features.sources.archive import ArchiveSource
        from crypto_features.sources.layouts import funding_layout, metrics_layout

        layout = funding_layout() if is_funding else metrics_layout()
        return ArchiveSource(settings.archive_url, layout=layout, **_at_archive(settings), **futures)
    from crypto_features.sources.derivatives import FundingSource, OpenInterestSource

    exchange = exchange or settings.exchange
    return (FundingSource if is_funding else OpenInterestSource)(
        exchange, **_at_exchange(settings, exchange), **futures
    )


def _own(settings: Settings) -> Source:
    module, _, name = settings.source.partition(":")
    if not all(part.isidentifier() for part in module.split(".")):
        raise _no_source(settings, f"{module!r} is not the name of a module")
    try:
        make = getattr(import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise _no_source(settings, str(error)) from None
    try:
        signature(make).bind(settings)
    except (TypeError, ValueError) as error:
        raise _no_source(settings, str(error)) from None
    made: Source = make(settings)
    missing = [part for part in ("name", "symbols", "start", "end", "fetch") if not hasattr(made, part)]
    if missing:
        raise _no_source(settings, f"it returned {made!r}, which has no {missing[0]!r}")
    return made


def _no_source(settings: Settings, why: str) -> SettingsError:
    return SettingsError(
        f"CRYPTO_FEATURES_SOURCE={settings.source}: {why}; expected <module>:<function>, importable from here, "
        "that takes the settings and returns a source."
    )


def _at_archive(settings: Settings) -> dict[str, Any]:
    return {"limit": settings.archive_limit, "patience": settings.patience}


def _at_exchange(settings: Settings, exchange: str) -> dict[str, Any]:
    """What the settings say of their exchange; of another one, only how long to try."""
    if exchange != settings.exchange:
        return {"patience": settings.patience}
    return {
        "patience": settings.patience,
        "url": settings.exchange_url,
        "key": settings.exchange_key,
        "secret": settings.exchange_secret,
    }


def _futures(settings: Settings) -> dict[str, Any]:
    """As `_listed`, of the perpetual futures of the same symbols."""
    own, quote = parse_listings(settings.derivatives_markets), settings.quote
    futures = {symbol: (Listing(f"{symbol}/{quote}:{quote}"),) for symbol in settings.symbols}
    return _listed(settings) | {"listings": futures | own}


def _listed(settings: Settings) -> dict[str, Any]:
    return {
        "quote": settings.quote,
        "symbols": _needed(settings.symbols, "SYMBOLS", "such as BTC,ETH"),
        "start": _needed(settings.start, "START", "the first month, such as 2024-01"),
        "interval": settings.interval,
        "listings": parse_listings(settings.markets),
        "parallel": settings.exchange_parallel,
    }


def _needed(value: T | None, name: str, example: str) -> T:
    if not value:
        raise SettingsError(f"this source needs CRYPTO_FEATURES_{name}, {example}: it offers more than anybody wants.")
    return value
