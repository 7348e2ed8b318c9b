"""An edit of a catalog that is not ours changes the versions of what it changes, and no others."""

import pytest

from tests.features.edits import Edit, edited
from tests.features.other_catalog import catalog

Versions = dict[str, dict[str, str]]
MODULE = "tests.features.other_catalog"
RISE = {"momentum": {"rise", "steadiness"}, "rises": {"parameters"}, "scores": {"score", "unusual"}}
CHANGED: dict[str, tuple[str, str, dict[str, set[str]]]] = {
    "a return over five blocks": ("CLOSE.shift(6)", "CLOSE.shift(5)", RISE | {"entries": {"steady", "calm"}}),
    "a shorter mean": (
        "window_mean((HIGH - LOW) / CLOSE, 12)",
        "window_mean((HIGH - LOW) / CLOSE, 11)",
        {"momentum": {"mean_range", "steadiness"}, "entries": {"steady"}},
    ),
    "a range of the high": (
        "window_mean((HIGH - LOW) / CLOSE, 12)",
        "window_mean((HIGH - LOW) / HIGH, 12)",
        {"momentum": {"mean_range", "steadiness"}, "entries": {"steady"}},
    ),
    "a product": (
        'pl.col("rise") / pl.col("mean_range")',
        'pl.col("rise") * pl.col("mean_range")',
        {"momentum": {"steadiness"}, "entries": {"steady"}},
    ),
    "another fit": (
        'deviation=pl.col("rise").std()',
        'deviation=pl.col("rise").std() * 1.5',
        {"rises": {"parameters"}, "scores": {"score", "unusual"}, "entries": {"calm"}},
    ),
    "another limit": ("score.abs() > 1", "score.abs() > 2", {"scores": {"unusual"}, "entries": {"calm"}}),
    "a score that is not centred": (
        '(pl.col("rise") - pl.col("mean")) /',
        'pl.col("rise") /',
        {"scores": {"score", "unusual"}, "entries": {"calm"}},
    ),
    "the high of two blocks": ("HIGH.rolling_max(3)", "HIGH.rolling_max(2)", {"entries": {"above"}}),
    "above by equality": (
        'CLOSE / pl.col("blocks.top") - 1',
        '(CLOSE >= pl.col("blocks.top")).cast(pl.Float64)',
        {"entries": {"above"}},
    ),
    "bars of six hours": (
        'every="4h"',
        'every="6h"',
        {
            "blocks": {"open", "high", "low", "close", "volume", "completeness"},
            "momentum": {"rise", "mean_range", "steadiness"},
            "rises": {"parameters"},
            "scores": {"score", "unusual"},
            "entries": {"above", "steady", "calm"},
        },
    ),
}
SAME: dict[str, Edit] = {
    "a reworded description": (MODULE, "How unusual a rise is.", "How rare a rise is."),
    "another unit": (MODULE, '"quote currency"', '"USDT"'),
    "another algebra": (MODULE, 'pl.col("rise") / pl.col("mean_range")', '1 / (pl.col("mean_range") / pl.col("rise"))'),
    "a renamed function": (MODULE, "scored", "with_scores"),
    "a comment": (MODULE, "def fit_rises(", "# one model for all symbols\ndef fit_rises("),
}


def versions() -> Versions:
    from crypto_features.versions.fingerprint import table_fingerprints
    from tests.features.other_catalog import catalog as present

    return {table: dict(found) for table, found in table_fingerprints(present).items()}


@pytest.fixture(scope="module")
def original() -> Versions:
    return versions()


def changes(original: Versions, edit: Edit) -> dict[str, set[str]]:
    with edited(edit):
        now = versions()
    differing = {
        table: {name for name in found if found[name] != now[table].get(name)} for table, found in original.items()
    }
    return {table: names for table, names in differing.items() if names}


@pytest.mark.parametrize("name", CHANGED)
def test_an_edit_that_changes_values_changes_those_versions_and_no_others(original: Versions, name: str) -> None:
    old, new, expected = CHANGED[name]
    assert changes(original, (MODULE, old, new)) == expected


@pytest.mark.parametrize("name", SAME)
def test_an_edit_that_keeps_the_values_keeps_every_version(original: Versions, name: str) -> None:
    assert changes(original, SAME[name]) == {}


def test_every_table_of_the_catalog_has_versions(original: Versions) -> None:
    assert original.keys() == {table.name for table in catalog.computed}
