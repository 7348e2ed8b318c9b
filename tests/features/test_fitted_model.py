"""A fit is handed the rows that were known before its month, and no others."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from crypto_features.tables.artefact import opened, version_of
from crypto_features.tables.model import FittedModel, Parameters
from tests.features.markets import TIME
from tests.features.other_catalog import rises

MAY = datetime(2024, 5, 1, tzinfo=UTC)
INSTANT, DAY = timedelta(microseconds=1), timedelta(days=1)
SEEN = [MAY - 45 * DAY + INSTANT, MAY - 31 * DAY, MAY - INSTANT, MAY]
UNSEEN = [MAY - 400 * DAY, MAY - 45 * DAY - INSTANT, MAY - 45 * DAY, MAY + INSTANT, MAY + DAY, MAY + 400 * DAY]


class Recorded:
    """A fit that keeps what it was called with."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, pl.DataFrame]] = []

    def __call__(self, rows: pl.DataFrame, month: str) -> Parameters:
        self.calls.append((month, rows))
        return {"rows": rows.height, "sum": rows["rise"].sum()}


def table(times: Sequence[datetime], symbols: Sequence[str] = ("BTC", "ETH")) -> pl.DataFrame:
    """Rows of a group with more than is fitted, in no order: each `rise` is its number."""
    rows = [(time, symbol, float(i), 1.0, time) for i, time in enumerate(times) for symbol in symbols]
    names = ["event_timestamp", "symbol", "rise", "mean_range", "created_timestamp"]
    frame = pl.DataFrame(rows, names, orient="row").with_columns(pl.col("event_timestamp").cast(TIME))
    return frame.sample(fraction=1, shuffle=True, seed=4)


def fitted(rows: pl.DataFrame, months: Sequence[str]) -> tuple[list[tuple[str, pl.DataFrame]], pl.DataFrame]:
    """What the fit was handed, and the model's rows."""
    fit = Recorded()
    found = replace(rises, fit=fit).fitted(rows, months)
    return fit.calls, found


def test_a_fit_sees_the_rows_of_its_lookback_up_to_the_start_of_the_month_whatever_it_is_given() -> None:
    ((month, rows),), _ = fitted(table([*UNSEEN, *SEEN]), ["2024-05"])
    assert month == "2024-05"
    expected = [(s, t, float(len(UNSEEN) + i)) for s in ("BTC", "ETH") for i, t in enumerate(SEEN)]
    assert rows.rows() == expected
    assert rows.columns == ["symbol", "event_timestamp", "rise"]


def test_rows_that_no_fit_may_see_change_no_parameter() -> None:
    _, alone = fitted(table(SEEN), ["2024-05"])
    _, beside = fitted(pl.concat([table(SEEN), table(UNSEEN).with_columns(rise=1e9)]), ["2024-05"])
    assert beside.equals(alone)


def test_each_month_is_fitted_by_itself() -> None:
    calls, found = fitted(table([*UNSEEN, *SEEN]), ["2024-04", "2024-05", "2024-06"])
    assert [month for month, _ in calls] == found["month"].to_list() == ["2024-04", "2024-05", "2024-06"]
    bounds = [rows["event_timestamp"].max() for _, rows in calls]
    assert bounds == [MAY - 31 * DAY, MAY, MAY + DAY]
    assert [opened(text).parameters["rows"] for text in found["parameters"]] == [rows.height for _, rows in calls]
    assert found["version"].to_list() == [version_of(opened(text).parameters) for text in found["parameters"]]


def test_a_model_of_whole_rows_has_each_month_of_its_rows() -> None:
    rows = table([MAY, MAY + INSTANT, MAY + 31 * DAY])
    assert rises.whole({"momentum": rows}, DAY)["month"].to_list() == ["2024-04", "2024-05"]


def test_what_is_assumed_is_the_prior_or_one_fit_of_all_the_rows() -> None:
    rows, months, fit = table([*UNSEEN, *SEEN]), ["2024-04", "2024-05"], Recorded()
    found = replace(rises, fit=fit).assumed(rows, months)
    ((_, handed),) = fit.calls
    assert handed.height == rows.height
    assert found["version"].n_unique() == 1
    prior = replace(rises, prior=lambda: {"mean": 0.5, "deviation": 2.0}).assumed(rows, months)
    assert [opened(text).parameters for text in prior["parameters"]] == [{"mean": 0.5, "deviation": 2.0}] * 2
    assert rises.assumed(rows, []).height == 0


@pytest.mark.parametrize("model", [rises, replace(rises, lookback="400d")])
def test_a_month_reads_the_months_before_it_and_not_itself(model: FittedModel) -> None:
    (read,) = model.reads(timedelta(hours=1))
    months = read.months("2024-05")
    assert months[-1] == "2024-04"
    assert months[0] == ("2024-03" if model is rises else "2023-03")
