"""What `feast apply` registers of this project."""

from crypto_features.settings import Settings
from crypto_features.store.feast_objects import feast_objects

settings = Settings.load()
globals().update(feast_objects(settings.root, settings.interval).objects)
