"""What `feast apply` registers: one entity, and a source, a view and services for the declared features."""

from crypto_features.settings import Settings
from crypto_features.store.definitions import definitions

settings = Settings.load()
globals().update(definitions(settings.root, settings.interval).objects)
