"""A desk that computes a table which another project computes."""

from crypto_features.tables.catalog import Catalog
from tests.sharing.owner import price_features

catalog = Catalog(price_features, project="my_desk")
