"""The lineage graph: raw candles, feature tables, models, the Feast registry, online views and training sets."""

import warnings

import dagster as dg

# Ranges of partitions in one run are in beta in Dagster; the tests hold what is relied on.
warnings.filterwarnings("ignore", category=dg.BetaWarning)
