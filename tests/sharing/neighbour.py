"""A project that shares the registry and reads nothing of others."""

from crypto_features.tables.catalog import Catalog
from tests.sharing.owner import without

catalog = Catalog(*without.groups.values(), project="my_desk")
