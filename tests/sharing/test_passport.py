"""A model is served what it was trained on: another version is refused by name, and one that is kept up is found."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from upath import UPath

import feature_repo as repo
from crypto_features.errors import UnknownNameError
from crypto_features.store import FeastResource, Passport, PassportError, session
from crypto_features.store.errors import ConsumedError

from .conftest import LATER, desk, environment, parquet, project, run

ROOT = Path(__file__).parents[2]
SERVICE = "signals"
OLD = ["price_features@v0:return_20d", "price_features@v0:rsi_14"]


@contextmanager
def owner(catalog: str) -> Iterator[None]:
    with project(ROOT, f"tests.sharing.former:{catalog}"):
        yield


def served(passport: Passport, refs: list[str] | str = SERVICE) -> dict[str, list[float]]:
    session.feature_store().refresh_registry()
    return dict(repo.get_online_features(["BTC", "ETH"], refs, passport=passport))


def refusal(passport: Passport, refs: list[str] | str = SERVICE) -> str:
    with pytest.raises(PassportError) as refused:
        served(passport, refs)
    return str(refused.value)


@dataclass(frozen=True)
class Told:
    """What a model is served, one thing after the other."""

    folder: UPath
    passport: Passport
    at_once: dict[str, list[float]]
    after_change: str
    hand_over: dict[str, list[float]]
    again: Passport
    kept: dict[str, list[float]]
    kept_times: list[Any]
    newest: dict[str, list[float]]
    pinned: dict[str, list[float]]
    joined: pl.DataFrame
    borrowed: dict[str, list[str]]
    dropped: str


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    """A model is trained; a feature changes; its former definition is declared beside the new one, two days later."""
    folder = tmp_path_factory.mktemp("passport")
    with pytest.MonkeyPatch.context() as patch:
        environment(patch, folder)
        with owner("trained"):
            run()
            passport = Passport.of_training(SERVICE)
            passport.write(folder / "model.json")
            at_once = served(Passport.read(folder / "model.json"))
        with desk():
            FeastResource().apply()
        with owner("changed"):
            FeastResource().apply()
            after_change, again = refusal(passport), Passport.of_service(SERVICE)
            hand_over = served(passport, OLD)
        patch.setenv("CRYPTO_FEATURES_CLOCK", LATER)
        with owner("beside"):
            run()
            session.feature_store().refresh_registry()
            kept = repo.get_online_features(["BTC", "ETH"], SERVICE, passport=passport)
            rows = repo.create_entity_df(["BTC", "ETH"], "2024-02-01", "2024-02-22")
            facts: dict[str, Any] = {
                "kept": dict(kept),
                "kept_times": kept.event_times["price_features@v0"],
                "newest": dict(repo.get_online_features(["BTC", "ETH"], SERVICE)),
                "pinned": dict(repo.get_online_features(["BTC", "ETH"], "pinning")),
                "joined": pl.from_pandas(repo.get_training_features(rows, "pinning")),
            }
        with desk():
            session.feature_store().refresh_registry()
            borrowed = repo.get_online_features(["BTC", "ETH"], ["price_features:rsi_14"]).statuses
        with owner("changed"), pytest.raises(ConsumedError) as dropped:
            FeastResource().apply()
    return Told(
        UPath(folder),
        passport,
        at_once,
        after_change,
        hand_over,
        again,
        **facts,
        borrowed=dict(borrowed),
        dropped=str(dropped.value),
    )


@pytest.fixture(autouse=True)
def _settings(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    environment(monkeypatch, told.folder)
    monkeypatch.setenv("CRYPTO_FEATURES_CLOCK", LATER)


def test_what_the_model_was_trained_on_is_served(told: Told) -> None:
    newest = parquet(next(told.folder.glob("price_features_v0/2024-02.parquet")))
    first = newest.filter(pl.col("event_timestamp") == pl.datetime(2024, 2, 20, time_zone="UTC")).sort("symbol")
    assert told.at_once["rsi_14"] == first["rsi_14"].to_list()
    assert told.passport.refs == ["price_features:return_20d", "price_features:rsi_14"]


def test_after_a_feature_changed_the_bot_gets_an_error_that_names_it_and_no_other_number(told: Told) -> None:
    old, new = (next(one for one in p.features if one.name.endswith("rsi_14")) for p in (told.passport, told.again))
    assert f"price_features:rsi_14 (trained on {old.behaviour}, published {new.behaviour})" in told.after_change
    assert "return_20d" not in told.after_change
    assert "price_features@v0:rsi_14 is the former, which is served until its rows expire" in told.after_change


def test_a_pinned_version_is_served_while_its_rows_are_fresh(told: Told) -> None:
    assert told.hand_over == told.at_once


def test_a_former_definition_beside_keeps_its_version_computed_published_and_served(told: Told) -> None:
    """Its values follow the candles of two more days: 50 in place of the 60 of the new definition."""
    assert [f"{time:%d}" for time in told.kept_times] == ["22", "22"]
    assert told.kept == told.pinned
    assert told.kept["return_20d"] == told.newest["return_20d"]
    assert [value * 1.2 for value in told.kept["rsi_14"]] == pytest.approx(told.newest["rsi_14"])
    last = told.joined.filter(pl.col("event_timestamp") == pl.datetime(2024, 2, 22, time_zone="UTC")).sort("symbol")
    assert last["rsi_14"].to_list() == told.kept["rsi_14"]


def test_what_another_project_borrows_is_kept_up_too_and_may_not_be_dropped(told: Told) -> None:
    assert told.borrowed["rsi_14"] == ["PRESENT", "PRESENT"]
    assert "price_features_v0 of crypto_features is read by my_desk (v0, service momentum_features)" in told.dropped


def test_a_passport_of_another_project_is_refused(told: Told) -> None:
    with owner("beside"):
        text = refusal(replace(told.passport, project="my_desk"))
    assert text.startswith("the passport is one of the project my_desk, and crypto_features is read here")


def test_a_feature_that_the_model_was_not_trained_on_is_refused(told: Told) -> None:
    with owner("beside"):
        text = refusal(told.passport, ["price_features_v0:rsi_14"])
        assert "was not trained on price_features_v0:rsi_14" in text
        assert "did you mean 'price_features:rsi_14'?" in text


def test_another_definition_with_equal_behaviour_is_served_with_a_warning(told: Told) -> None:
    with owner("beside"):
        one, two = told.again.features
        passport = replace(told.again, features=(one, replace(two, definition="0" * 16)))
        with pytest.warns(
            UserWarning, match="price_features:rsi_14: defined otherwise than when the model was trained"
        ):
            found = served(passport)
        assert found == told.newest


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"project": "a", "features": {"b": 1}}', '{"features": {}}'])
def test_a_file_that_is_not_a_passport_is_refused(content: str, tmp_path: Path) -> None:
    (tmp_path / "model.json").write_text(content)
    with pytest.raises(PassportError, match=r"not .*passport of a model"):
        Passport.read(tmp_path / "model.json")


def test_the_manifest_of_a_training_set_has_the_passport_of_its_features(told: Told, tmp_path: Path) -> None:
    features = told.passport.features
    own: dict[str, Any] = {
        "project": "crypto_features",
        "digest": "d" * 64,
        "declaration": {"features": {"price_features": ["return_20d", "rsi_14"]}, "versions": {}},
        "fingerprints": {one.ref: one.behaviour for one in features},
        "definitions": {one.ref: one.definition for one in features},
    }
    (tmp_path / "manifest.json").write_text(json.dumps({"name": "signals", "cf:training": own}))
    for given in (tmp_path, tmp_path / "manifest.json", own):
        assert Passport.of_manifest(given) == replace(told.passport, manifest="d" * 64)
    pinned = {**own, "declaration": {**own["declaration"], "versions": {"price_features": 0}}}
    with owner("beside"):
        found = Passport.of_manifest(pinned)
    assert found.refs == OLD
    assert [one.behaviour for one in found.features] == [one.behaviour for one in features]


@pytest.mark.parametrize("content", ["{", "[]", '{"cf:training": {}}'])
def test_what_is_not_the_manifest_of_a_training_set_has_no_passport(content: str, tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(PassportError, match="the manifest of "):
        Passport.of_manifest(tmp_path)
    with pytest.raises(PassportError, match="is not a training set, and not the manifest of one"):
        Passport.of_manifest(tmp_path / "nothing")


def test_a_training_set_that_is_not_there_has_no_passport() -> None:
    with owner("beside"), pytest.raises(UnknownNameError, match="unknown table 'training/nothing'"):
        Passport.of_training("nothing")
