"""A value is explained by its candles; what is wrong with it is told apart, and why it is another one than before."""

import json
import random
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import polars as pl
import pytest
from typer.testing import CliRunner
from upath import UPath

import crypto_features as cf
from crypto_features import catalogs, clock
from crypto_features.catalogs import current_catalog
from crypto_features.cli import app
from crypto_features.errors import InputError, UnknownNameError
from crypto_features.explanation import Cause, Change, Explanation, Publisher, Run, Verdict
from crypto_features.explanation.subject import explained
from crypto_features.explanation.text import lines, sparkline
from crypto_features.graph.asset_names import registry_asset
from crypto_features.graph.online import online_view
from crypto_features.host.instance import dagster_home
from crypto_features.lake import parquet
from crypto_features.lake.journal import FOLDER, Entry, Journal
from crypto_features.lake.model_files import read_model, write_model
from crypto_features.lake.models import publish_model
from crypto_features.lake.reading import Reading
from crypto_features.lake.table import Table, stored
from crypto_features.settings import Settings
from crypto_features.shipped import catalog
from crypto_features.shipped.regime_model import prior_model
from crypto_features.store import FeastResource, session
from crypto_features.store.online.pack_frame import packed_rows
from crypto_features.store.online.place import table_name
from crypto_features.store.online.unpack_frame import guarded_store
from crypto_features.tables.artefact import opened, written
from crypto_features.tables.model import Parameters
from crypto_features.tables.read import Terms
from crypto_features.versions.measured import current_definitions, versions
from crypto_features.versions.provenance import input_digest, partition_metadata
from tests.redeclared import use

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
TODAY = datetime(2024, 3, 10, tzinfo=UTC)
"""The close of the newest day of the platform."""
LOADED = datetime(2024, 3, 10, 5, 30, tzinfo=UTC)
"""When its candles were loaded."""
CORRECTED = LOADED + timedelta(minutes=5)


@pytest.fixture
def copied(platform: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> UPath:
    """A copy of the platform whose files may be changed, ten minutes later."""
    root = UPath(shutil.copytree(platform, tmp_path / "copied"))
    monkeypatch.setenv("CRYPTO_FEATURES_DATA", str(root))
    monkeypatch.setenv("CRYPTO_FEATURES_CLOCK", (LOADED + timedelta(minutes=10)).isoformat())
    return root


def tables(root: UPath, name: str) -> Table:
    return stored(root, current_catalog(), name)


def samples(count: int, seed: int = 1) -> list[tuple[str, str, datetime]]:
    """Symbol, column and time of values of all tables, drawn at random."""
    draw, settings, root = random.Random(seed), Settings.load(), Settings.load().root
    names = explained(current_catalog())
    rows = {}
    for name, table in names.items():
        late = table.bar(settings.interval) if table.time == "open_time" else timedelta(0)
        frame = tables(root, name).read(columns=["symbol", table.time])
        rows[name] = frame.select("symbol", pl.col(table.time) + late).rows()
    chosen = [draw.choice(sorted(names)) for _ in range(count)]
    return [
        (symbol, f"{name}:{draw.choice(names[name].columns)}", time)
        for name in chosen
        for symbol, time in [draw.choice(rows[name])]
    ]


def rewrite(root: UPath, name: str, month: str, change: Callable[[pl.DataFrame], pl.DataFrame]) -> None:
    """Change the rows of a file past the platform: its checksums are right, and its notes are the old ones."""
    table = tables(root, name)
    rows, notes = table.read([month]), table.metadata(month)
    parquet.write(table.path(month), change(rows), notes=notes)


def correct(root: UPath, opened: datetime, factor: float, *, symbol: str = "BTC", month: str = "2024-03") -> None:
    """Another version of a candle, known at `CORRECTED`."""

    def change(rows: pl.DataFrame | None) -> tuple[pl.DataFrame, Mapping[str, str]]:
        assert rows is not None
        wrong = rows.filter(pl.col("symbol") == symbol, pl.col("open_time") == opened)
        right = wrong.with_columns(pl.col("open", "high", "low", "close") * factor, known_at=pl.lit(CORRECTED))
        notes = {key: text for key, text in table.metadata(month).items() if key != "digest"}
        return pl.concat([rows, right.cast(rows.schema)]), notes

    table = tables(root, "candles")
    assert table.update(month, change)


def closes(root: UPath, until: datetime, days: int) -> list[float]:
    """The last daily closes of BTC, read off its candles."""
    rows = tables(root, "candles").read().filter(pl.col("symbol") == "BTC", pl.col("open_time").dt.hour() == 23)
    rows = rows.sort("open_time", "known_at").unique("open_time", keep="last", maintain_order=True)
    return rows.filter(pl.col("open_time") < until)["close"].tail(days).to_list()


@pytest.mark.proof
@pytest.mark.timeout(3600)
@pytest.mark.usefixtures("platform")
def test_values_of_all_tables_come_out_of_their_candles_to_the_bit(count: Callable[..., int]) -> None:
    for symbol, ref, time in samples(count(ci=40, proof=1000)):
        found = cf.explain(symbol, ref, at=time)
        assert (found.time, found.findings) == (time, ()), (symbol, ref, time)
        assert repr(found.recomputed) == repr(found.value)


def test_a_value_is_told_with_its_store_its_run_its_version_and_the_candles_of_its_window(platform: Path) -> None:
    found = cf.explain("BTC", "price_features:ma_5")
    table = tables(UPath(platform), "price_features")
    notes = table.metadata("2024-03")
    assert found.time == TODAY
    assert found.value == found.recomputed == pytest.approx(sum(closes(UPath(platform), TODAY, 5)) / 5, rel=1e-12)
    assert found.online is not None
    assert (found.online.value, found.online.time, found.online.status) == (found.value, TODAY, "PRESENT")
    assert found.run is not None
    assert (found.run.run_id, found.run.file) == (notes["run_id"], str(table.path("2024-03")))
    assert found.version.behaviour == json.loads(notes["fingerprints"])["ma_5"]
    assert found.version.is_present
    assert found.window == (TODAY - 5 * DAY, TODAY)
    assert found.candles["open_time"].to_list() == [TODAY - 5 * DAY + hour * HOUR for hour in range(5 * 24)]
    assert found.candles["superseded"].sum() == 0
    assert (found.verdict, found.findings, found.causes, found.since) == (Verdict.HOLDS, (), (), None)
    assert found.history["value"][-1] == found.value


def test_a_regime_names_its_model_the_run_that_fitted_it_and_the_rows_that_it_was_fitted_on(platform: Path) -> None:
    found = cf.explain("ETH", "regime_features:regime_label")
    folder = UPath(platform) / "regime_model"
    path = folder / "2024-03.json"
    written_down = json.loads(path.read_text())
    (fit,) = found.fits
    assert (fit.model, fit.month, fit.version) == ("regime_model", "2024-03", written_down["version"])
    assert fit.run == Run(written_down["notes"]["run_id"], LOADED, str(path))
    columns = json.loads(tables(UPath(platform), "price_features").metadata("2024-02")["columns"])
    assert list(fit.inputs) == ["price_features"]
    assert list(fit.inputs["price_features"]) == ["2024-01", "2024-02"]
    assert fit.inputs["price_features"]["2024-02"] == input_digest(
        columns, ["symbol", "event_timestamp", "return_20d", "volatility_20d", "rsi_14", "ma_alignment", "bb_position"]
    )
    assert (fit.moved, found.verdict) == ((), Verdict.HOLDS)


def test_the_online_row_names_the_run_or_the_live_candle_that_published_it_last(
    copied: UPath, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    FeastResource().apply()
    assert published_by() is None
    settings, group = Settings.load(), catalog.groups["price_features"]
    months = dg.StaticPartitionsDefinition(["2024-02", "2024-03"])
    asset = online_view(settings, group, months, registry=registry_asset(catalog))
    home = str(dagster_home(settings))
    with monkeypatch.context() as named:
        named.setenv("DAGSTER_HOME", home)
        instance = dg.DagsterInstance.from_config(home)
    with instance:

        def publish_in_a_run(month: str) -> str:
            done = dg.materialize([asset], partition_key=month, instance=instance, resources={"feast": FeastResource()})
            return done.run_id

        publish_in_a_run("2024-02")
        assert published_by() is None, "its newest row is of the end of February"
        run_id = publish_in_a_run("2024-03")
        publish_in_a_run("2024-02")
    by = published_by()
    assert by is not None
    assert (by.run_id, by.candle) == (run_id, "")
    journal = Journal(Path(str(copied)) / FOLDER)
    prices = {"open": 1.0, "high": 1.0, "low": 1.0, "close": 1.0, "volume": 1.0}
    journal.append([Entry("BTC", TODAY - HOUR, by.at - HOUR, "flag", prices)])
    assert published_by() == by
    journal.append([Entry("ETH", TODAY - HOUR, by.at + HOUR, "flag", prices)])
    journal.append([Entry("BTC", TODAY, by.at + HOUR, "flag", prices)])
    assert published_by() == by
    journal.append([Entry("BTC", TODAY - HOUR, by.at + 2 * HOUR, "rest", prices)])
    journal.close()
    assert published_by() == Publisher("", "BTC 2024-03-09 23:00, rest", by.at + 2 * HOUR)


def published_by() -> Publisher | None:
    found = cf.explain("BTC", "price_features:ma_5").online
    assert found is not None
    return found.publisher


def online(root: UPath, change: Callable[[pl.DataFrame], pl.DataFrame]) -> None:
    """Have the online store hold other rows of `price_features`."""
    store = session.feature_store()
    view, guarded = store.get_feature_view("price_features"), guarded_store(store)
    rows = change(tables(root, "price_features").read())
    guarded.backend(store.config).drop(table_name(store.config, view))
    guarded.backend(store.config).create(table_name(store.config, view))
    guarded.write_rows(store.config, view, packed_rows(rows, view, store.config.entity_key_serialization_version))


def finding(found: Explanation) -> tuple[Verdict, str]:
    return found.verdict, found.findings[0].what


def test_a_stale_store_is_told_from_a_right_one(copied: UPath) -> None:
    newest, before = (pl.col("event_timestamp") == TODAY - days * DAY for days in (0, 1))
    online(copied, lambda rows: rows.filter(before))
    found = cf.explain("BTC", "price_features:rsi_14")
    assert finding(found) == (Verdict.STALE_STORE, "the online row is an older one, of 2024-03-09 00:00")
    assert cf.explain("BTC", "price_features:rsi_14", at=TODAY - DAY).verdict is Verdict.HOLDS
    online(copied, lambda rows: rows.filter(newest).with_columns(rsi_14=pl.lit(50.0)))
    found = cf.explain("BTC", "price_features:rsi_14")
    assert finding(found) == (Verdict.STALE_STORE, "the online store has 50.0 of the same time")
    assert cf.explain("BTC", "price_features:ma_5").verdict is Verdict.HOLDS
    online(copied, lambda rows: rows.clear())
    found = cf.explain("BTC", "price_features:rsi_14")
    assert finding(found) == (Verdict.STALE_STORE, "the online store has no row of it")


def flip(path: UPath) -> None:
    """Let a bit in the middle of a file rot."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))


def test_wrong_data_is_a_file_that_was_changed_or_is_damaged(copied: UPath) -> None:
    rewrite(copied, "price_features", "2024-03", lambda rows: rows.with_columns(pl.col("ma_5") + 1))
    found = cf.explain("BTC", "price_features:ma_5", at=TODAY)
    changed = "the file of price_features of 2024-03 was changed after it was published"
    assert finding(found) == (Verdict.WRONG_DATA, changed)
    assert {one.verdict for one in found.findings} == {Verdict.WRONG_DATA, Verdict.STALE_STORE}
    flip(tables(copied, "volume_features").path("2024-03"))
    found = cf.explain("BTC", "volume_features:volume_ratio")
    assert found.verdict is Verdict.WRONG_DATA
    assert "partition 2024-03 of 'volume_features'" in found.findings[0].what
    assert (found.value, found.recomputed) == (None, found.online.value if found.online else None)


def test_wrong_data_behind_a_value_is_named_where_it_is(copied: UPath) -> None:
    """Both files were changed: the days, and the values that follow from them."""
    rewrite(copied, "daily_candles", "2024-03", lambda rows: rows.with_columns(pl.col("close") * 2))
    rewrite(copied, "price_features", "2024-03", lambda rows: rows.with_columns(pl.col("ma_5") * 2))
    found = cf.explain("BTC", "price_features:ma_5")
    assert "the file of daily_candles of 2024-03 was changed" in found.findings[0].what


def test_a_damaged_file_of_candles_is_wrong_data(copied: UPath) -> None:
    flip(tables(copied, "candles").path("2024-03"))
    found = cf.explain("BTC", "daily_candles:close")
    assert found.verdict is Verdict.WRONG_DATA
    assert "partition 2024-03 of 'candles'" in found.findings[0].what


def test_a_corrected_candle_makes_the_table_stale_and_is_the_cause_of_the_other_value(copied: UPath) -> None:
    opened = datetime(2024, 3, 8, 23, tzinfo=UTC)
    before = cf.explain("BTC", "price_features:ma_5").value
    correct(copied, opened, 1.02)
    found = cf.explain("BTC", "price_features:ma_5", since=LOADED + timedelta(minutes=1))
    after = sum(closes(copied, TODAY, 5)) / 5
    assert finding(found) == (
        Verdict.STALE_TABLE,
        "daily_candles of 2024-03 was computed before candles of 2024-03 changed",
    )
    assert (found.value, found.recomputed) == (before, pytest.approx(after, rel=1e-12))
    assert found.causes == (Cause(Change.CORRECTION, ("BTC 2024-03-08 23:00",), before, found.recomputed),)
    versions = found.candles.filter(pl.col("open_time") == opened)
    assert versions["superseded"].to_list() == [True, False]
    assert versions["known_at"].to_list() == [LOADED, CORRECTED]
    assert cf.explain("BTC", "price_features:ma_5", since=CORRECTED).causes == ()


def test_a_candle_that_came_late_is_told_from_a_correction(copied: UPath) -> None:
    opened = datetime(2024, 3, 9, 22, tzinfo=UTC)
    is_it = (pl.col("symbol") == "BTC") & (pl.col("open_time") == opened)
    known = pl.when(is_it).then(pl.lit(CORRECTED)).otherwise("known_at")
    rewrite(copied, "candles", "2024-03", lambda rows: rows.with_columns(known_at=known.cast(rows.schema["known_at"])))
    found = cf.explain("BTC", "daily_candles:completeness", since=LOADED + timedelta(minutes=1))
    assert found.causes == (Cause(Change.LATE, ("BTC 2024-03-09 22:00",), 23 / 24, 1.0),)


def test_a_row_that_the_candles_give_and_the_table_lacks_makes_it_stale(copied: UPath) -> None:
    rewrite(copied, "price_features", "2024-03", lambda rows: rows.filter(pl.col("event_timestamp") < TODAY))
    found = cf.explain("BTC", "price_features:ma_5")
    assert found.time == TODAY - DAY
    assert finding(found) == (
        Verdict.STALE_TABLE,
        "price_features has no row of 2024-03-10 00:00 yet, and the candles give one",
    )


def test_wrong_code_gives_other_values_in_the_same_version(copied: UPath, monkeypatch: pytest.MonkeyPatch) -> None:
    """A group that reads a variable: neither its behaviour nor its definition shows it."""
    monkeypatch.setenv("FACTOR", "1")
    monkeypatch.setattr(catalogs, "_load", lambda _: cf.Catalog(moody))
    publish(copied, moody)
    assert cf.explain("BTC", "moody:mood").verdict is Verdict.HOLDS
    monkeypatch.setenv("FACTOR", "2")
    found = cf.explain("BTC", "moody:mood")
    assert finding(found)[0] is Verdict.WRONG_CODE
    assert finding(found)[1].startswith("the code of moody gives other values of 2024-03 from the same rows")


def test_a_table_that_other_code_computed_is_stale(copied: UPath, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FACTOR", "1")
    monkeypatch.setattr(catalogs, "_load", lambda _: cf.Catalog(moody))
    publish(copied, moody)
    (mood,) = moody.features
    other = cf.Catalog(replace(moody, features=(replace(mood, expression=cf.CLOSE * 2),)))
    monkeypatch.setattr(catalogs, "_load", lambda _: other)
    assert finding(cf.explain("BTC", "moody:mood")) == (
        Verdict.STALE_TABLE,
        "other code computed moody of 2024-03: mood",
    )


def test_a_newer_candle_is_the_cause_of_the_newer_value(platform: Path) -> None:
    rows = tables(UPath(platform), "price_features").read(["2024-03"]).filter(pl.col("symbol") == "BTC")
    of = dict(rows.select("event_timestamp", "rsi_14").iter_rows())
    found = cf.explain("BTC", "price_features:rsi_14", since="2024-03-08T12:00")
    said = "2 rows after that of 2024-03-08 00:00"
    assert found.causes == (Cause(Change.NEW_CANDLE, (said,), of[TODAY - 2 * DAY], of[TODAY]),)


def test_a_model_that_was_fitted_again_is_the_cause_of_another_probability(copied: UPath) -> None:
    folder = copied / "regime_model"
    path = folder / "2024-03.json"
    model = opened(read_model(path, folder, "2024-03"))
    old = folder / "superseded" / "2024-03" / f"{model.version}.json"
    old.parent.mkdir(parents=True)
    old.write_bytes(path.read_bytes())
    name = next(name for name, value in model.parameters.items() if name.startswith("calibration"))
    other = {**model.parameters, name: [0.5, *model.parameters[name][1:]]}
    again = written(other, model.about, {**model.notes, "published_at": CORRECTED.isoformat()})
    write_model(path, folder, "2024-03", again)
    ref, before = "regime_features:regime_probability", LOADED + timedelta(minutes=1)
    found = cf.explain("BTC", ref, since=before)
    (cause,) = found.causes
    assert (cause.change, cause.what) == (Change.FIT, ("regime_model 2024-03, fitted again 2024-03-10 05:35",))
    assert (cause.before, cause.after) == (found.value, found.recomputed)
    assert finding(found) == (
        Verdict.STALE_TABLE,
        "regime_features of 2024-03 was computed before regime_model of 2024-03 changed",
    )


def test_a_candle_that_changed_a_fit_is_named_behind_the_value_of_another_symbol(
    copied: UPath, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing that ETH's row is computed from is another one but the model, which was fitted on BTC's rows, too."""
    ref, since = "regime_features:regime_probability", LOADED + timedelta(minutes=3)
    declared = use(monkeypatch, replace(catalog.models["regime_model"], fit=leaning))
    model, group = declared.models["regime_model"], declared.groups["regime_features"]
    with monkeypatch.context() as earlier:
        earlier.setenv("CRYPTO_FEATURES_CLOCK", (LOADED + timedelta(minutes=2)).isoformat())
        fit_again(copied, model, "2024-03")
        publish(copied, group)
        before = cf.explain("ETH", ref)
    correct(copied, datetime(2024, 2, 20, 23, tzinfo=UTC), 1.5, month="2024-02")
    publish(copied, catalog.bars["daily_candles"], "2024-02")
    publish(copied, catalog.groups["price_features"], "2024-02")
    unchanged = cf.explain("ETH", ref, since=since)
    assert (unchanged.value, unchanged.causes) == (before.value, ())
    assert unchanged.fits[0].moved == ("price_features of 2024-02",)
    fit_again(copied, model, "2024-03")
    publish(copied, group)
    found = cf.explain("ETH", ref, since=since)
    old, new = (f"regime_model 2024-03 of version {one.fits[0].version}" for one in (before, found))
    correction = Cause(Change.CORRECTION, ("BTC 2024-02-20 23:00",), old, new)
    what = ("regime_model 2024-03, fitted again 2024-03-10 05:40",)
    assert old != new
    assert before.value != found.value
    assert found.causes == (Cause(Change.FIT, what, before.value, found.value, (correction,)),)
    assert ("because of", f"correction (BTC 2024-02-20 23:00): {old} → {new}") in [*lines(found)]
    assert found.fits[0].moved == ()


def test_code_that_was_registered_since_is_a_cause(copied: UPath, monkeypatch: pytest.MonkeyPatch) -> None:
    """The registry tells the time of the machine, which is later than that of the platform."""
    monkeypatch.delenv("CRYPTO_FEATURES_CLOCK")
    since = clock.now()
    group = catalog.groups["price_features"]
    doubled = replace(group.feature("ma_5"), expression=cf.window_mean(cf.CLOSE, 5) * 2)
    fields = tuple(doubled if feature.name == "ma_5" else feature for feature in group.features)
    use(monkeypatch, replace(group, features=fields))
    FeastResource().apply()
    store = session.feature_store()
    store.refresh_registry()
    second = store.registry.list_feature_view_versions("price_features", store.project)[-1]["created_timestamp"]
    same = min(second + timedelta(milliseconds=999), clock.now())
    within = cf.explain("BTC", "price_features:ma_5", at=TODAY, since=same)
    assert Change.CODE in [cause.change for cause in within.causes], "the registry tells the second, not its part"
    found = cf.explain("BTC", "price_features:ma_5", at=TODAY, since=since)
    code = next(cause for cause in found.causes if cause.change is Change.CODE)
    assert code.what[0].startswith(f"v0 ({found.version.noted_behaviour}) until ")
    assert code.after == found.recomputed == found.value * 2  # type: ignore[operator] # a number.
    assert cf.explain("BTC", "price_features:return_1d", at=TODAY, since=since).causes == ()
    assert finding(found) == (Verdict.STALE_TABLE, "other code computed price_features of 2024-03: ma_5")
    assert str(copied) in str(found.run)


@pytest.mark.usefixtures("platform")
@pytest.mark.parametrize(
    ("error", "arguments", "text"),
    [
        (UnknownNameError, ("BTCC", "price_features:rsi_14"), "unknown symbol 'BTCC' (did you mean 'BTC'?)"),
        (UnknownNameError, ("BTC", "price_feature:rsi_14"), "unknown feature view 'price_feature' (did you mean"),
        (UnknownNameError, ("BTC", "price_features:rsi14"), "unknown feature 'rsi14' (did you mean 'rsi_14'?)"),
        (UnknownNameError, ("BTC", "candles:close"), "unknown feature view 'candles' (did you mean 'daily_candles'?)"),
        (InputError, ("BTC", "rsi_14"), "must have the form table:column, as price_features:rsi_14"),
        (InputError, ("BTC", "price_features:rsi_14", "2020-01-01"), "its first is of 2024-01-02 00:00"),
        (InputError, ("BTC", "price_features:rsi_14", "2025-01-01"), "is later than the clock, 2024-03-10 05:30 UTC"),
        (InputError, ("BTC", "price_features:rsi_14", "soon"), "at='soon' is not a time"),
    ],
)
def test_what_cannot_be_explained_is_one_clear_error(
    error: type[Exception], arguments: tuple[str, ...], text: str
) -> None:
    symbol, ref, *at = arguments
    with pytest.raises(error) as raised:
        cf.explain(symbol, ref, at=at[0] if at else None)
    assert text in str(raised.value)


def test_the_command_prints_it_draws_it_and_fails_where_something_is_wrong(copied: UPath, tmp_path: Path) -> None:
    arguments = ["explain", "BTC", "price_features:ma_5", "--since", "2024-03-08", "--png", str(tmp_path / "a.png")]
    done = CliRunner(env={"COLUMNS": "300"}).invoke(app, arguments)
    assert done.exit_code == 0, done.output
    value = cf.explain("BTC", "price_features:ma_5").value
    for line in (
        f"offline {value!r}",
        f"online {value!r}, PRESENT",
        f"recomputed {value!r}, the same bits",
        "2024-03-05 00:00 to 2024-03-10 00:00: 120 rows of candles of BTC, none of them corrected",
        "new candle (2 rows after that of 2024-03-08 00:00)",
        "holds: the candles give the same bits",
    ):
        assert line in re.sub(r" +", " ", done.output)
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    correct(copied, datetime(2024, 3, 8, 23, tzinfo=UTC), 1.02)
    done = CliRunner(env={"COLUMNS": "300"}).invoke(app, arguments[:3])
    assert done.exit_code == 1
    assert "120 rows of candles of BTC, 1 of them corrected" in done.output
    assert "stale table: daily_candles of 2024-03 was computed before candles of 2024-03 changed" in done.output


def test_a_sparkline_has_a_block_for_each_value_and_a_gap_for_none() -> None:
    assert sparkline(pl.Series([0.0, 1.0, None, 7.0, 8.0])) == "▁▂ ██"
    assert sparkline(pl.Series([3, 3])) == "▁▁"
    assert sparkline(pl.Series(["BULL"])) == ""
    assert sparkline(pl.Series([None, None], dtype=pl.Float64)) == ""


def _mood(values: pl.Series) -> pl.Series:
    import os

    return values * float(os.environ["FACTOR"])


moody = cf.FeatureGroup(
    "moody",
    "Depends on the mood of the process.",
    bars=catalog.bars["daily_candles"],
    features=[cf.Feature("mood", cf.CLOSE.map_batches(_mood, return_dtype=pl.Float64), "Close · mood.", "mood")],
)


def computed(
    root: UPath, table: cf.Bars | cf.FeatureGroup | cf.FittedModel, month: str
) -> tuple[pl.DataFrame, dict[str, str]]:
    """A month of a table as its asset computes it, and its notes."""
    read = Reading(root, current_catalog(), table, HOUR)
    rows = table.compute(read, month, None, Terms(HOUR, clock.now(), HOUR, 0.75))
    return rows, partition_metadata(rows, versions()[table.name], read.digests(), current_definitions()[table.name])


def publish(root: UPath, table: cf.Bars | cf.FeatureGroup, month: str = "2024-03") -> None:
    """Compute and publish a month of a table as its asset does."""
    tables(root, table.name).publish(month, *computed(root, table, month))


def leaning(rows: pl.DataFrame, _month: str) -> Parameters:
    """The prior, whose probability leans with the mean return: a fit that a few weeks suffice for."""
    prior = prior_model().parameters
    name = next(name for name in prior if name.startswith("calibration"))
    return {**prior, name: [rows.select(pl.col("return_20d").mean().fill_null(0.0)).item(), *prior[name][1:]]}


def fit_again(root: UPath, model: cf.FittedModel, month: str) -> None:
    """Fit the model of a month and publish it as its asset does."""
    rows, notes = computed(root, model, month)
    notes = {**notes, "run_id": "again", "published_at": clock.now().isoformat()}
    publish_model(root, model.name, month, opened(rows["parameters"].item()), notes)
