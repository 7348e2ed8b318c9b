"""What `feast apply` registers of this project."""

from crypto_features.settings import Settings
from crypto_features.store.definitions import definitions

settings = Settings.load()
globals().update(definitions(settings.root, settings.interval).objects)
