"""Which settings have a stream of candles that can be followed."""

from crypto_features.live.told import READS
from crypto_features.settings import Settings
from crypto_features.whole_file import on_disk


def can_stream(settings: Settings) -> bool:
    """Whether `crypto-features live` can run: on an exchange that is followed, with a data folder on a disk."""
    return settings.source == "ccxt" and settings.exchange in READS and on_disk(settings.root) is not None
