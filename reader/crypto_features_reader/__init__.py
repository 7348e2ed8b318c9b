"""Reads the guarded online store of crypto-features, with the standard library and a database's driver only.

A name is loaded when it is used: a bot without an event loop pays for none.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from crypto_features_reader.async_reader import AsyncReader as AsyncReader
    from crypto_features_reader.features import OnlineFeatures as OnlineFeatures
    from crypto_features_reader.guard import Status as Status
    from crypto_features_reader.passport import Passport as Passport
    from crypto_features_reader.reader import Reader as Reader

_HOMES = {
    "AsyncReader": "async_reader",
    "OnlineFeatures": "features",
    "Passport": "passport",
    "Reader": "reader",
    "Status": "guard",
}

__all__ = ["AsyncReader", "OnlineFeatures", "Passport", "Reader", "Status"]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found: object = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = found
    return found
