"""A training set says what it was joined from."""

import json
from pathlib import Path

from upath import UPath

from crypto_features.features import GROUPS, SERVICES, column_digests, input_digest
from crypto_features.features.regime_model import ULTRA_5
from crypto_features.market import Table
from crypto_features.market.digest import content_digest
from crypto_features.versions import feature_versions

KEYS = ("symbol", "event_timestamp", "open_time")
READ = {"price_features": ULTRA_5, "volume_features": ("volume_ratio",), "daily_candles": ()}


def test_a_training_set_notes_its_service_its_fingerprints_and_the_digests_of_what_it_read(platform: Path) -> None:
    note = Table(UPath(platform), "training/ml_training_features").metadata("2024-03")
    service = SERVICES["ml_training_features"]
    assert json.loads(note["service"]) == {
        "name": "ml_training_features",
        "features": {view: list(names) for view, names in service.features.items()},
        "versions": {},
    }
    assert json.loads(note["fingerprints"]) == {
        f"{view}:{name}": feature_versions(view)[name] for view in GROUPS for name in READ.get(view, ())
    }
    months = {table: ("2024-02", "2024-03") if table in GROUPS else ("2024-03",) for table in READ}
    assert json.loads(note["inputs"]) == {
        table: {month: read_digest(platform, table, month) for month in months[table]} for table in READ
    }


def read_digest(platform: Path, table: str, month: str) -> str:
    """Digest of the columns that the service reads, from the rows themselves."""
    time = "open_time" if table == "daily_candles" else "event_timestamp"
    rows = Table(UPath(platform), table, time=time).read([month])
    return input_digest(column_digests(rows), [*KEYS, *READ[table]])


def test_the_noted_digest_is_that_of_the_content(platform: Path) -> None:
    table = Table(UPath(platform), "training/ml_training_features")
    note = table.metadata("2024-03")
    assert json.loads(note["columns"]) == column_digests(table.read(["2024-03"]))
    assert note["digest"] == content_digest(table.read(["2024-03"]))
