"""A catalog whose rows depend on other symbols: on one by its name, and on all of a bar time."""

import polars as pl

from crypto_features.compute.cross import breadth, demean, dispersion, rank, share, zscore
from crypto_features.compute.pairs import beta, window_correlation
from crypto_features.compute.windows import window_sum
from crypto_features.tables.catalog import Catalog
from crypto_features.tables.feature import Feature
from crypto_features.tables.group import FeatureGroup
from crypto_features.tables.service import FeatureService
from crypto_features.tables.table import Join
from crypto_features.tables.training import TrainingSet
from tests.features.other_catalog import blocks, momentum, rises, scores, trades

CLOSE = pl.col("close")
RETURN = CLOSE / CLOSE.shift(1) - 1
LEADER = "HUGE"
"""The symbol that all others are held against."""

against = FeatureGroup(
    "against",
    "How a price moves with the leader's.",
    bars=blocks,
    ttl="8h",
    joins=(
        Join(blocks, "8h", {"change": RETURN}, window=2, symbol=LEADER, at="close", name="leader"),
        Join(momentum, "2d", symbol=LEADER, name="leader_before"),
    ),
    features=(
        Feature("beta", beta(RETURN, pl.col("leader.change"), 9), "Beta of nine blocks.", "ratio", window=10),
        Feature(
            "correlation",
            window_correlation(RETURN, pl.col("leader.change"), 9),
            "Correlation of nine blocks.",
            "ratio",
            window=10,
            bounds=(-1, 1),
        ),
        Feature("ratio", CLOSE / pl.col("leader.close"), "Close over the leader's.", "ratio"),
        Feature("before", pl.col("leader_before.rise"), "The leader's rise before.", "ratio"),
    ),
)
_QUOTED = {"traded": window_sum(CLOSE * pl.col("volume"), 6)}
strength = FeatureGroup(
    "strength",
    "Each symbol among all of its time.",
    bars=blocks,
    across="symbols",
    ttl="8h",
    joins=(
        Join(momentum, "8h", at="close"),
        Join(against, "8h", at="close"),
        Join(blocks, "8h", _QUOTED, window=6, at="close", name="own"),
        Join(scores, "2d"),
    ),
    universe=CLOSE > 0,
    features=(
        Feature("rank_rise", rank("momentum.rise"), "Rank of the rise.", "0 to 1", bounds=(0, 1)),
        Feature("z_beta", zscore("against.beta"), "z-score of beta.", "deviations"),
        Feature("excess", demean(pl.col("momentum.rise") * 2), "Rise less the mean.", "ratio"),
        Feature("share_traded", share("own.traded"), "Share of what is traded.", "share", bounds=(0, 1)),
        Feature("rising", breadth(pl.col("momentum.rise") > 0), "Share that rises.", "share", bounds=(0, 1)),
        Feature("spread", dispersion("momentum.rise"), "Dispersion of rises.", "ratio"),
        Feature("unusual", breadth(pl.col("scores.unusual") == 1), "Share of unusual ones.", "share"),
        Feature("over_median", CLOSE / CLOSE.median(), "Close over the median close.", "ratio"),
        Feature("doubled", pl.col("rank_rise") * 2, "Twice the rank.", "0 to 2"),
    ),
)
followers = FeatureGroup(
    "followers",
    "What was known of the cross-section when an hour began.",
    bars=trades,
    joins=(Join(strength, "1d"), Join(against, "1d")),
    features=(
        Feature("strong", pl.col("strength.rank_rise") * CLOSE, "Rank · close.", "quote currency"),
        Feature("held", pl.col("against.beta") + pl.col("strength.spread"), "Beta and dispersion.", "ratio"),
    ),
)
cross_features = FeatureService(
    "cross_features", "What the desk reads.", {"strength": ("rank_rise", "spread"), "against": ("beta",)}
)
catalog = Catalog(rises, followers, TrainingSet(cross_features, rows=blocks))
