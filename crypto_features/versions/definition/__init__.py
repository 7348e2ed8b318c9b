"""The definition of every feature, digested: what its values are computed by, down to the last helper and constant.

Behaviour on the probe market does not show a special case for one symbol or one month; the definition does. It changes
with the expression, with the source of every function and every constant behind it, in whichever module of one's own,
with the bytes of the data files that the code names, and with the versions of the libraries that it uses. Comments,
docstrings, formatting and the place where code is stored do not count, nor does what is read from other tables.
"""

from crypto_features.versions.definition.declared import feature_definitions, table_definitions
from crypto_features.versions.definition.reader import Reader

__all__ = ["Reader", "feature_definitions", "table_definitions"]
