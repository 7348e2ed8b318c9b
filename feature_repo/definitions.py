"""What `feast apply` registers: one entity, and a source, a view and services for the declared features."""

from crypto_features.settings import Settings
from crypto_features.store.feast_objects import feast_objects

settings = Settings.load()
globals().update(feast_objects(settings.root, settings.interval).objects)
