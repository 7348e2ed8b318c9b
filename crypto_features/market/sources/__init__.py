"""Where candles come from: one file a source, chosen by the setting `source`."""

from crypto_features.errors import SettingsError
from crypto_features.market.source import Source
from crypto_features.settings import Settings

_NAMES = ("sample", "files")


def source(settings: Settings) -> Source:
    """The source that the settings choose.

    Raises:
        SettingsError: if there is no such source, or a setting that it needs is missing or wrong.
    """
    if settings.source == "sample":
        from crypto_features.market.sources.sample import SampleSource

        return SampleSource(settings.interval)
    if settings.source == "files":
        from crypto_features.market.sources.files import FilesSource

        if not settings.files:
            raise SettingsError(
                "CRYPTO_FEATURES_SOURCE=files needs CRYPTO_FEATURES_FILES, a folder of <SYMBOL>.parquet or .csv."
            )
        return FilesSource(settings.files, settings.interval, settings.files_columns, settings.files_stamps)
    raise SettingsError(f"CRYPTO_FEATURES_SOURCE={settings.source!r} is no source; choose {', '.join(_NAMES)}.")
