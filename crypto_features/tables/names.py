"""Whether the names by which declarations read each other exist."""

from collections.abc import Iterable, Mapping

from crypto_features.errors import UnknownNameError
from crypto_features.tables.declaration import FeatureGroup, FeatureService
from crypto_features.tables.lineage import KEYS, lineage

_CANDLE = ("open", "high", "low", "close", "volume", "completeness")
_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "candles": _CANDLE,
    "daily_candles": _CANDLE,
    "regime_model": ("parameters",),
}
"""What a group may read of the tables that are no group."""


def check_names(
    groups: Mapping[str, FeatureGroup], services: Iterable[FeatureService], model_reads: tuple[str, Iterable[str]]
) -> None:
    """Every table and column that a group, a service or the regime model reads by its name.

    Args:
        groups: The groups by name, each after those that it reads.
        services: The feature services.
        model_reads: The group that the regime model reads, and its features.

    Raises:
        UnknownNameError: naming who reads what does not exist.
        InputError: if a group has other bars than the group that it reads first.
    """
    known = dict(_COLUMNS)
    for name, group in groups.items():
        if first := groups.get(group.inputs[0].table):
            group.check_bars(first.name, first.interval)
        for source in group.inputs:
            _check("table", source.table, known, f"{name} reads it; a group comes after those that it reads.")
        for feature, sources in lineage(group).items():
            for table, column in sources:
                _check(f"column of {table}", column, (*known[table], *KEYS), _hint(f"{name}.{feature}"))
        known[name] = tuple(feature.name for feature in group.features)
    views = {name: known[name] for name in groups}
    for service in services:
        _check_service(service, views)
    read, columns = model_reads
    _check("feature view", read, views, _hint("the regime model"))
    for column in columns:
        _check(f"feature of {read}", column, views[read], _hint("the regime model (ULTRA_5)"))


def _check_service(service: FeatureService, views: Mapping[str, tuple[str, ...]]) -> None:
    for view, features in service.features.items():
        _check("feature view", view, views, _hint(f"the service {service.name}"))
        for feature in features:
            _check(f"feature of {view}", feature, views[view], _hint(f"the service {service.name}"))
    for view in service.versions:
        _check("feature view", view, service.features, f"The service {service.name} pins its version.")


def _hint(reader: str) -> str:
    return f"It is read by this name by {reader}: change it there too, or keep the name."


def _check(kind: str, name: str, available: Iterable[str], hint: str) -> None:
    names = tuple(available)
    if name not in names:
        raise UnknownNameError(kind, name, names, hint)
