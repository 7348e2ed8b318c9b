"""The definition of a feature with those of all that it is computed from."""

from collections.abc import Mapping, Sequence
from functools import cache, reduce
from operator import or_

from crypto_features.tables.catalog import Catalog
from crypto_features.tables.node import Versions
from crypto_features.versions.definition.reader import hashed


def definitions_behind(
    features: Mapping[str, Sequence[str]], catalog: Catalog, definitions: Versions
) -> Mapping[str, str]:
    """By feature, as `<view>:<feature>`, one digest of its definition and of all that it is computed from.

    A fitted model counts as a fact that is read: what fitted it is no part of the digest.

    Args:
        features: Names of features by view; those of other projects are left out.
        catalog: The tables.
        definitions: The definition of each column, by table.
    """
    sources = cache(lambda table: catalog[table].sources)

    @cache
    def behind(table: str, column: str) -> Mapping[tuple[str, str], str]:
        if column not in definitions.get(table, {}) or catalog[table].fact:
            return {}
        own = {(table, column): definitions[table][column]}
        return reduce(or_, (behind(*source) for source in sources(table)[column]), own)

    return {
        f"{view}:{name}": hashed(*(digest for _, digest in sorted(behind(view, name).items())))
        for view, names in features.items()
        if view in catalog.groups
        for name in names
    }
