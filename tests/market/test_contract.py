"""What is decided at a glance is decided as the contract decides it row by row."""

import math
import random
from datetime import timedelta

import polars as pl
import pytest

from crypto_features.lake.contract import _contract, keeps, validate
from crypto_features.tables.candle_rows import CANDLES
from crypto_features.tables.derivative_rows import DERIVATIVES, FUNDING
from crypto_features.tables.raw_rows import RawRows
from tests.market.market import HOUR, START, candles

SECOND = timedelta(seconds=1)
ODD = (math.nan, math.inf, -math.inf, None, 0.0, -1.0, 1.0, 1.5, 1e300)
NOW = START + 50 * HOUR


@pytest.mark.parametrize("kind", [CANDLES, FUNDING, DERIVATIVES], ids=lambda kind: kind.name)
def test_rows_are_good_at_a_glance_just_when_the_contract_takes_every_one(kind: RawRows) -> None:
    draw = random.Random(7)
    good = kind.stand_in(candles("BTC", count=24), HOUR).select(kind.full_schema.names())
    assert keeps(good, HOUR, NOW, kind)
    met = set[bool]()
    for _ in range(60):
        rows = good.head(draw.randrange(1, 5))
        name = draw.choice([column.name for column in kind.columns] + ["open_time"])
        if name == "open_time":
            odd = pl.lit(draw.choice([None, START + SECOND, START, NOW, NOW + HOUR]), good.schema[name])
        else:
            odd = pl.lit(draw.choice(ODD)).cast(good.schema[name], strict=False)
        place = draw.randrange(rows.height)
        changed = pl.when(pl.int_range(pl.len()) == place).then(odd).otherwise(pl.col(name)).alias(name)
        rows = rows.with_columns(changed)
        taken, _ = _contract(kind, rows.columns, HOUR, NOW, unique=True).filter(rows)
        assert keeps(rows, HOUR, NOW, kind) is (taken.height == rows.height), rows
        met.add(taken.height == rows.height)
    assert met == {True, False}


def test_no_rows_are_good() -> None:
    none = candles("BTC", count=0)
    assert [part.height for part in validate(none, HOUR, NOW)] == [0, 0]
