"""A third project: it reads what the desk computes from a borrowed view, and may ask the desk for that view itself."""

from dataclasses import replace

from my_desk import candles, daily_candles, price_features

from crypto_features.tables.borrowed import Borrowed
from crypto_features.tables.catalog import Catalog

momentum = Borrowed("momentum", "my_desk", bars=daily_candles, features=("overshoot",), version=0)
catalog = Catalog(momentum, project="third")
lent_on = Catalog(replace(price_features, project="my_desk"), project="third")
nothing = Catalog(candles, project="third")
