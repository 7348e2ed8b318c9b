"""What is asked of candles: the contract, the share in quarantine, and no long hole."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import dagster as dg
import polars as pl

from crypto_features.compute.resample import opens as bar_of
from crypto_features.graph.checks.finding import Finding, rows
from crypto_features.graph.inline import inline
from crypto_features.graph.publish import last_metadata
from crypto_features.lake.candles import coverage
from crypto_features.lake.contract import validate
from crypto_features.plots import quarantine_by_rule
from crypto_features.sources.standing import Silent, Standing
from crypto_features.tables.bars import Bars
from crypto_features.tables.candle_rows import CANDLES
from crypto_features.tables.raw_rows import RAW_KEY, RawRows

LONG_GAP = timedelta(days=1)
LEAST_SHARE = 0.99
DAY = timedelta(days=1)
MONTH_OF_OPEN = pl.col("open_time").dt.strftime("%Y-%m")
ENDED = "ended"
"""Under this name a run of the asset `candles` notes which markets its source knows to be halted or delisted."""


def contract(candles: pl.DataFrame, interval: timedelta, now: datetime, kind: RawRows = CANDLES) -> Finding:
    """Every stored row keeps the contract: types, positive prices, bounds, stamps on the grid, none of the future."""
    _, broken = validate(candles.drop("known_at", strict=False), interval, now, kind)
    named = f"{kind.row}s"
    future = broken.filter(pl.col("rule").str.starts_with("is_over"))
    if future.height:
        newest = future.select(pl.col("open_time").max().dt.to_string("%Y-%m-%d %H:%M")).item()
        return Finding(
            passed=False,
            text=f"{future.height} of {candles.height} stored {named} close later than the clock, {now:%Y-%m-%d %H:%M} "
            f"UTC; the newest opened at {newest}.",
            todo="set this machine's clock, or CRYPTO_FEATURES_CLOCK, which is earlier than when these candles were "
            "fetched. Only if the clock is right are the candles wrong: then restore the month from a copy.",
            facts={"later than the clock": rows(future)},
        )
    return Finding(
        passed=broken.is_empty(),
        text=f"{broken.height} of {candles.height} stored {named} break the contract.",
        todo="these candles were written past the quarantine: restore the month from a copy, or "
        "keep its file elsewhere and materialize candles for it again.",
        facts={"broken": rows(broken)} if broken.height else {},
    )


def quarantined(quarantine: pl.DataFrame, stored: pl.DataFrame, allowed: float, kind: RawRows = CANDLES) -> Finding:
    """The share of candles of which there is no valid version is no more than the setting allows.

    Args:
        quarantine: Rejected versions of candles, with `rule`; one that was corrected since does not count.
        stored: Current candles of the same months.
        allowed: Share, 0 to 1.
        kind: What the rows are.
    """
    lost = quarantine.join(stored, on=RAW_KEY, how="anti", nulls_equal=True).unique(
        RAW_KEY, keep="last", maintain_order=True
    )
    every = lost.height + stored.height
    share = lost.height / max(1, every)
    return Finding(
        passed=share <= allowed,
        text=f"{lost.height} of {every} {kind.row}s have no version that keeps the contract, a share of {share:.2%}; "
        f"{allowed:.2%} is allowed.",
        todo="read the rules in the table quarantine; correct the source or its settings (columns, stamps, interval), "
        "or raise CRYPTO_FEATURES_MAX_REJECTED if the rest is to be trusted.",
        facts={
            "share": dg.MetadataValue.float(share),
            "latest": rows(quarantine.reverse()),
            "by rule": inline(quarantine_by_rule(quarantine), f"rejected {kind.row}s by rule"),
        }
        if quarantine.height
        else {},
    )


def failed_symbols(instance: dg.DagsterInstance, raw: str) -> dict[str, str]:
    """Why the last run of the raw table left out some symbols, by symbol."""
    return _noted(instance, raw, "failed_symbols")


def ended_markets(instance: dg.DagsterInstance, raw: str) -> dict[str, Standing]:
    """What the last run of the raw table learned of markets that are not traded, by symbol."""
    return {symbol: Standing(why) for symbol, why in _noted(instance, raw, ENDED).items()}


def _noted(instance: dg.DagsterInstance, raw: str, name: str) -> dict[str, str]:
    found = last_metadata(instance, raw).get(name)
    return dict(found.value) if isinstance(found, dg.JsonMetadataValue) and isinstance(found.value, dict) else {}


def all_fetched(failed: Mapping[str, str]) -> Finding:
    """The last run left out no symbol."""
    return Finding(
        passed=not failed,
        text=f"{', '.join(sorted(failed))}: not fetched by the last run." if failed else "Every symbol was fetched.",
        todo="a market that is unknown to the exchange was renamed or delisted: say so in CRYPTO_FEATURES_MARKETS, or "
        "take the symbol out of CRYPTO_FEATURES_SYMBOLS. Otherwise correct what the reason names; the next run fetches "
        "what is missing.",
        facts={"reasons": dg.MetadataValue.json(dict(failed))} if failed else {},
    )


def all_current(silence: Sequence[Silent], unexpected: Sequence[Silent]) -> Finding:
    """Every wanted symbol has the candles that closed, or the settings say why it has none."""
    seen = "; ".join(one.sentence for one in silence)
    return Finding(
        passed=not unexpected,
        text=f"{seen}." if seen else "Every symbol has every candle that closed.",
        todo=" ".join(f"{one.symbol}: {one.todo}" for one in unexpected),
        facts={"silent": dg.MetadataValue.json({one.symbol: one.standing.value for one in silence})} if silence else {},
    )


def complete(candles: pl.DataFrame, interval: timedelta, holes: pl.DataFrame) -> Finding:
    """No symbol lacks a day of candles in a row, or more than one in a hundred.

    Args:
        candles: Current candles.
        interval: Length of a candle.
        holes: The gaps in the same months, as `gaps` gives them, also those that go on before or after them.
    """
    present = coverage(candles, interval)
    lacking = holes.group_by("symbol").agg(lacking=pl.sum("missing"))
    share = pl.col("present") / (pl.col("present") + pl.col("lacking").fill_null(0))
    present = present.join(lacking, on="symbol", how="left").with_columns(share=share)
    long = holes.filter(pl.col("missing") * interval >= LONG_GAP)
    thin = present.filter(pl.col("share") < LEAST_SHARE)
    missing = int(holes["missing"].sum())
    return Finding(
        passed=long.is_empty() and thin.is_empty(),
        text=f"{missing} candles are missing in {holes.height} gaps; {long.height} gaps last a day or longer, and "
        f"{thin.height} symbols have less than {LEAST_SHARE:.0%} of their candles.",
        todo="see whether the source has them now: materialize candles for the months of the gaps, with `again: true` "
        "in the launchpad, or `crypto-features fetch --again`. An outage of the exchange stays a gap: nothing is "
        "interpolated, and windows over it use the candles that exist.",
        facts={
            "missing": dg.MetadataValue.int(missing),
            "gaps": rows(holes.sort("missing", descending=True)),
            "coverage": rows(present, ["symbol", "present", "expected", "share"]),
        },
    )


def no_long_gap(holes: pl.DataFrame, step: timedelta, kind: RawRows) -> Finding:
    """No symbol lacks rows for a day in a row."""
    long = holes.filter(pl.col("missing") * step >= LONG_GAP)
    return Finding(
        passed=long.is_empty(),
        text=f"{holes.height} gaps, {long.height} of them a day or longer.",
        todo=f"see whether the source has the {kind.row}s now: materialize the table for the months of the gaps, with "
        "`again: true` in the launchpad. What the source never had stays a gap: nothing is filled in.",
        facts={"gaps": rows(holes.sort("missing", descending=True))},
    )


def bars_counted(
    made: pl.DataFrame,
    candles: pl.DataFrame,
    bars: Bars,
    interval: timedelta,
    months: Sequence[str] | None = None,
) -> Finding:
    """There is one row for each symbol and bar that has a candle and is over by the symbol's own candles.

    Args:
        made: The resampled bars.
        candles: Current candles of all that was read for them.
        bars: What they are.
        interval: Length of a candle.
        months: The months in which the bars open, if candles of other months were read, too.
    """
    opens, length = pl.col("open_time"), bars.bar(interval)
    over = bar_of(opens.max().over("symbol") + interval, length)
    bar = bar_of(opens, length)
    in_months = pl.lit(value=True) if months is None else MONTH_OF_OPEN.is_in(list(months))
    expected = candles.select("symbol", bar, over=over).filter(opens < pl.col("over"), in_months).unique()
    keys = ["symbol", "open_time"]
    absent = expected.join(made, on=keys, how="anti")
    invented = made.join(candles.select("symbol", bar).unique(), on=keys, how="anti")
    return Finding(
        passed=absent.is_empty() and invented.is_empty(),
        text=f"{made.height} bars: {absent.height} are missing and {invented.height} have no candle behind them.",
        todo=f"materialize {bars.name} for the month; if it stays so, the candles of the month were removed.",
        facts={"missing": rows(absent.sort(keys)), "without candles": rows(invented.select(keys))}
        if absent.height or invented.height
        else {},
    )
