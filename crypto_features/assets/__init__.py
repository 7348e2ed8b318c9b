"""The lineage graph: raw candles, feature tables, models, the Feast registry, online views and training sets."""
