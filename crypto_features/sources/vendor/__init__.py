"""Candle files of vendors: recognized by their names, columns and stamps, refused where they are ambiguous.

A file goes through stages, each in a module of its own: `filename`, `container`, `raw` and `text`, `columns` (by the
known `layouts`), `numbers`, `times` (by `stamps`), `markets` (by `pairs`), `volumes`, `length` and `clocks`; `read`
puts them together.
"""

from crypto_features.sources.vendor.choices import Choices
from crypto_features.sources.vendor.read import Span, VendorFile, open_file

__all__ = ["Choices", "Span", "VendorFile", "open_file"]
