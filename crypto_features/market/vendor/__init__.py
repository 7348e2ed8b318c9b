"""Candle files of vendors: recognized by their columns and stamps, refused where they are ambiguous, never guessed."""

from crypto_features.market.vendor.read import open_file

__all__ = ["open_file"]
