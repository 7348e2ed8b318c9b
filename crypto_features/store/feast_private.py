"""The private names of Feast that the store stands on, in one place; a contract test says what breaks without each.

Feast's own online stores call the functions of `feast.utils`, whatever their name. What a class of ours overrides or
calls on itself stands in that class, and in the same test.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Any

from feast import FeatureStore, FeatureView, metrics, utils

cached_request_context = utils._get_cached_request_context
prepared_request = utils._prepare_entities_to_read_from_online_store
drop_unneeded_columns = utils._drop_unneeded_columns
unique_entities = utils._get_unique_entities
entity_key_protos = utils._get_entity_key_protos
column_names = utils._get_column_names
create_registry = FeatureStore._create_registry
"""Feast's own choice of a registry class."""
apply = FeatureStore.apply
"""Feast's own apply."""


def schema_changed(view: FeatureView, held: FeatureView) -> bool:
    """Whether Feast counts a view as a new version of the one that is registered."""
    return bool(view._schema_or_udf_changed(held))


def feature_types(response: Any) -> Any:
    """The value type of each feature of a response."""
    return response._feature_types


def counts_online_features() -> bool:
    """Whether this process counts what it serves: Feast's server does."""
    return bool(metrics._config.online_features)


@contextmanager
def timed_read() -> Iterator[None]:
    """Count how long a read of the online store takes, where Feast's own way to a response does not."""
    begun = monotonic()
    yield
    if counts_online_features():
        metrics.track_online_store_read(monotonic() - begun)


def count_requests() -> None:
    """Have this process count what it serves, as Feast's own command for its server does."""
    metrics._config = metrics.build_metrics_flags(None)


def choose_registry(method: Any) -> None:
    """Have every Feast store of this process ask this method for its registry."""
    FeatureStore._create_registry = method


def choose_apply(method: Any) -> None:
    """Have every Feast store of this process apply by this method."""
    FeatureStore.apply = method
