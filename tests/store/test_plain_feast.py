"""Feast is imported without its run-time type checks, and nothing else loses them."""

import subprocess
import sys

import pytest
import typeguard

from crypto_features.store.plain_feast import unchecked

IMPORT = """
import sys
import crypto_features.store
import crypto_features.store.session
assert "feast" not in sys.modules
import warnings
filters = list(warnings.filters)
crypto_features.store.plain_feast.load()
from feast import Entity, FeatureView, Field, ValueType
import typeguard

assert warnings.filters == filters
assert not any("check" in name for one in (Entity, FeatureView, Field) for name in one.__init__.__code__.co_names)
entity = Entity(name="symbol", join_keys=["symbol"], value_type=ValueType.STRING)
assert Entity.from_proto(entity.to_proto()) == entity
print(typeguard.typechecked.__module__, [one for one in sys.meta_path if type(one).__module__.startswith("crypto")])
"""


def test_loading_feast_instruments_nothing_and_leaves_typeguard_and_the_import_system_alone() -> None:
    done = subprocess.run([sys.executable, "-c", IMPORT], capture_output=True, text=True, check=False)
    assert done.stdout == "typeguard []\n", done.stderr


def test_the_decorator_comes_back_whatever_happens() -> None:
    before = typeguard.typechecked

    def function() -> None: ...

    def fail() -> None:
        with unchecked():
            assert typeguard.typechecked(function) is function
            assert typeguard.typechecked(debug_instrumentation=True)(function) is function
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert typeguard.typechecked is before
