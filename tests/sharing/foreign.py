"""Catalogs of a desk that borrow what the owner has otherwise."""

from dataclasses import replace

import polars as pl
from my_desk import price_features

from crypto_features.tables.catalog import Catalog

missing = Catalog(replace(price_features, name="nothing_such", version=None), project="my_desk")
old = Catalog(replace(price_features, version=7), project="my_desk")
feature = Catalog(replace(price_features, features=("ma_20",)), project="my_desk")
kind = Catalog(replace(price_features, features={"rsi_14": pl.String}), project="my_desk")
ttl = Catalog(replace(price_features, ttl="2d"), project="my_desk")
