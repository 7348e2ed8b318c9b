"""A small catalog: daily features, and signals of each hour that read them."""

import crypto_features as cf
from crypto_features.shipped import price_features, trading_signals

catalog = cf.Catalog(price_features, trading_signals)
