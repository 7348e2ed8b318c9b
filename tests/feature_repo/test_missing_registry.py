"""Asked in a folder that holds nothing, the interface says where it looked, and leaves the folder as it was."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

import feature_repo as repo
from crypto_features.store import NotAppliedError, parity
from crypto_features.store.online.connect import connect

ROWS = pd.DataFrame({"symbol": ["BTC"], "event_timestamp": pd.to_datetime(["2024-01-01"])})
READS: dict[str, Callable[[], object]] = {
    "online": lambda: repo.get_online_features(["BTC"], "trading_features"),
    "training": lambda: repo.get_training_features(ROWS),
    "regime": lambda: repo.get_regime_features(["BTC"], "2024-01-01", "2024-01-02"),
    "freshness": repo.validate_feature_freshness,
    "publish": repo.materialize_features,
    "parity": lambda: parity("price_features"),
}


@pytest.mark.parametrize("read", READS)
def test_a_missing_registry_is_named_with_its_folder_and_its_setting_and_nothing_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read: str
) -> None:
    folder = tmp_path / "mistyped"
    monkeypatch.setenv("CRYPTO_FEATURES_DATA", str(folder))
    with pytest.raises(NotAppliedError) as caught:
        READS[read]()
    assert f"no registry at {folder}/registry.db (CRYPTO_FEATURES_DATA={folder})" in str(caught.value)
    assert not folder.exists()


def test_reading_an_online_store_that_is_not_there_makes_none(tmp_path: Path) -> None:
    backend = connect(f"sqlite:///{tmp_path}/new/online.db")
    assert (backend.read({"t": [b"BTC"]}), backend.scan("t"), backend.switches()) == ({"t": {}}, [], {})
    assert not (tmp_path / "new").exists()
    backend.switch_off("BTC", "test")
    assert backend.switches() == {"BTC": "test"}
    backend.close()
