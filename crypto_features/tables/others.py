"""Which other symbols reach a symbol's rows: none, some by their name, or all of them."""

from crypto_features.tables.group import FeatureGroup
from crypto_features.tables.model import FittedModel
from crypto_features.tables.table import Table


def others(table: Table) -> frozenset[str] | None:
    """The symbols whose rows reach those of every other, through all that it reads but fitted models; `None` for all.

    >>> from crypto_features.shipped import trading_signals
    >>> sorted(others(trading_signals))
    []
    """
    found: frozenset[str] = frozenset()
    if isinstance(table, FeatureGroup) and not table.by_symbol:
        return None
    for source in table.inputs:
        upstream = frozenset[str]() if isinstance(source.table, FittedModel) else others(source.table)
        if upstream is None:
            return None
        found |= upstream | ({source.symbol} if source.symbol else set())
    return found


def read_by_name(table: Table) -> tuple[str, ...]:
    """The symbols that it reads by their name, directly or not."""
    found = {name for source in table.inputs for name in read_by_name(source.table)}
    return tuple(sorted(found | {source.symbol for source in table.inputs if source.symbol}))


def compares_symbols(table: Table) -> bool:
    """Whether rows of other symbols reach its own, or those that a model which it reads is fitted on."""
    own = others(table)
    return own is None or bool(own) or any(compares_symbols(source.table) for source in table.inputs)


def joined_symbols(group: FeatureGroup) -> dict[str, tuple[str, ...]]:
    """By joined table, the symbols whose rows the group joins to those of all."""
    found: dict[str, tuple[str, ...]] = {}
    for join in group.joins:
        if join.symbol is not None:
            found[join.table.name] = tuple(dict.fromkeys((*found.get(join.table.name, ()), join.symbol)))
    return found
