"""Which column of a vendor's file is which column of a candle."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from crypto_features.errors import InputError
from crypto_features.sources.vendor.layouts import (
    BASE_VOLUMES,
    OPEN_TIMES,
    PAIRS,
    PLAIN_VOLUMES,
    PRICE_NAMES,
    QUOTE_VOLUMES,
    TIMES,
    UNNAMED_TIMES,
    VOLUME_IS_QUOTE,
)
from crypto_features.sources.vendor.pairs import MONEY, pairs

PRICES = ("open", "high", "low", "close")
_CURRENCIES = tuple(quote.lower() for quote in (*MONEY, "BTC", "ETH"))


@dataclass(frozen=True)
class Columns:
    """The file's column for each part of a candle.

    Args:
        times: Columns with the open time; several must agree.
        prices: Open, high, low and close.
        volume: Volume in the base asset, or in whatever its name leaves open.
        quote_volume: Volume in the quote currency.
        pair: Column that names the market.
        volume_is_quote: Whether `volume` is in the quote currency, as other columns say.
    """

    times: tuple[str, ...]
    prices: tuple[str, str, str, str]
    volume: str | None
    quote_volume: str | None
    pair: str | None
    volume_is_quote: bool = False


def normalized(name: str) -> str:
    """A column name in lower case with single underscores; the number that tells two of one name apart is left out.

    >>> normalized("<Volume (BTC)>"), normalized("timeOpen"), normalized("open.1")
    ('volume_btc', 'time_open', 'open')
    """
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", re.sub(r"\.\d+$", "", name))
    return re.sub(r"[^a-z0-9]+", "_", words.lower()).strip("_")


def is_header(names: Sequence[str], chosen: Collection[str] = ()) -> bool:
    """Whether these fields name the prices of a candle, or are the columns that a setting names."""
    found = {normalized(name) for name in names}
    if chosen and {*chosen} <= {*names, *(f"Unnamed: {i}" for i, name in enumerate(names) if not name)}:
        return True
    return all(found & set(aliases) for aliases in PRICE_NAMES.values())


def recognize(names: Sequence[str], market: str, chosen: Mapping[str, str], where: str) -> Columns:
    """Find the columns of a candle among a file's columns.

    Raises:
        InputError: if a column is missing, or two could be meant.
    """
    _refuse_missing(names, chosen, where)
    by_name: dict[str, list[str]] = {}
    for name in names:
        by_name.setdefault(normalized(name), []).append(name)

    def find(aliases: Iterable[str]) -> list[str]:
        return [name for alias in aliases for name in by_name.get(alias, ())]

    def one(ours: str, found: Sequence[str]) -> str:
        if ours in chosen:
            return chosen[ours]
        if len(found) != 1:
            problem = (
                f"could take {ours} from {' or '.join(map(repr, found))}" if found else f"has no column for {ours}"
            )
            unit = (
                ", and CRYPTO_FEATURES_FILES_VOLUME=quote if it counts the quote currency" if ours == "volume" else ""
            )
            setting = f"CRYPTO_FEATURES_FILES_COLUMNS={ours}=<column>{unit}"
            raise InputError(f"the file {problem}; decide by {setting}. {where}")
        return found[0]

    opened, high, low, close = (one(price, find(PRICE_NAMES[price])) for price in PRICES)
    certain, taken = find(OPEN_TIMES), {opened, high, low, close}
    times = certain[:1] or find(TIMES) or [name for name in find(UNNAMED_TIMES)[:1] if name not in taken]
    if "open_time" in chosen:
        times = [chosen["open_time"]]
    if not times:
        one("open_time", ())
    bases = {pair.base.lower() for pair in pairs(market)} | {market.lower()}
    base = find([*BASE_VOLUMES, *_of(bases)])
    plain = find(PLAIN_VOLUMES)
    quote = find([*QUOTE_VOLUMES, *_of(c for c in _CURRENCIES if c not in bases)])
    if "volume" not in chosen and not base and not plain and len(quote) == 1:
        volume = None
    else:
        volume = one("volume", base or plain)
    rest = [name for name in (*quote, *plain, *base) if name != volume]
    pair = [chosen["symbol"]] if "symbol" in chosen else find(PAIRS)
    return Columns(
        times=tuple(times),
        prices=(opened, high, low, close),
        volume=volume,
        quote_volume=rest[0] if rest else None,
        pair=pair[0] if pair else None,
        volume_is_quote=(volume in quote and not rest) or (volume in plain and bool(find(VOLUME_IS_QUOTE))),
    )


def _refuse_missing(names: Sequence[str], chosen: Mapping[str, str], where: str) -> None:
    for ours, theirs in chosen.items():
        if theirs not in names:
            raise InputError(
                f"CRYPTO_FEATURES_FILES_COLUMNS takes {ours} from {theirs!r}, which is not a column; the columns are "
                f"{', '.join(map(repr, names))}. {where}"
            )


def _of(assets: Iterable[str]) -> list[str]:
    return [name for a in assets for name in (*(f"{stem}_{a}" for stem in PLAIN_VOLUMES), f"{a}_volume")]
