"""Candles to leak-tested features, training sets and a guarded online store: `import crypto_features as cf`.

Everything that a user imports is here. A name is loaded when it is used: importing this package takes milliseconds.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from crypto_features.compute.cross import breadth as breadth
    from crypto_features.compute.cross import demean as demean
    from crypto_features.compute.cross import dispersion as dispersion
    from crypto_features.compute.cross import rank as rank
    from crypto_features.compute.cross import share as share
    from crypto_features.compute.cross import zscore as zscore
    from crypto_features.compute.indicators import CLOSE as CLOSE
    from crypto_features.compute.indicators import HIGH as HIGH
    from crypto_features.compute.indicators import LOW as LOW
    from crypto_features.compute.indicators import OPEN as OPEN
    from crypto_features.compute.indicators import VOLUME as VOLUME
    from crypto_features.compute.indicators import adx as adx
    from crypto_features.compute.indicators import atr as atr
    from crypto_features.compute.indicators import bollinger_width as bollinger_width
    from crypto_features.compute.indicators import chaikin_money_flow as chaikin_money_flow
    from crypto_features.compute.indicators import ema as ema
    from crypto_features.compute.indicators import macd as macd
    from crypto_features.compute.indicators import macd_diff as macd_diff
    from crypto_features.compute.indicators import money_flow_index as money_flow_index
    from crypto_features.compute.indicators import price_return as price_return
    from crypto_features.compute.indicators import rsi as rsi
    from crypto_features.compute.indicators import stochastic as stochastic
    from crypto_features.compute.indicators import true_range as true_range
    from crypto_features.compute.indicators import typical_price as typical_price
    from crypto_features.compute.indicators import volatility as volatility
    from crypto_features.compute.indicators import wilder as wilder
    from crypto_features.compute.pairs import beta as beta
    from crypto_features.compute.pairs import window_correlation as window_correlation
    from crypto_features.compute.pairs import window_covariance as window_covariance
    from crypto_features.compute.ta_adapter import ta_indicator as ta_indicator
    from crypto_features.compute.windows import window_deviation as window_deviation
    from crypto_features.compute.windows import window_max as window_max
    from crypto_features.compute.windows import window_mean as window_mean
    from crypto_features.compute.windows import window_min as window_min
    from crypto_features.compute.windows import window_sum as window_sum
    from crypto_features.errors import CryptoFeaturesError as CryptoFeaturesError
    from crypto_features.errors import InputError as InputError
    from crypto_features.errors import PermanentError as PermanentError
    from crypto_features.errors import SettingsError as SettingsError
    from crypto_features.errors import TransientError as TransientError
    from crypto_features.errors import UnknownNameError as UnknownNameError
    from crypto_features.explanation import Explanation as Explanation
    from crypto_features.explanation import explain as explain
    from crypto_features.leak import Leak as Leak
    from crypto_features.leak import LeakReport as LeakReport
    from crypto_features.leak import leak_test as leak_test
    from crypto_features.report import FeatureReport as FeatureReport
    from crypto_features.report import feature_report as feature_report
    from crypto_features.store import ConsumedError as ConsumedError
    from crypto_features.store import ParityReport as ParityReport
    from crypto_features.store import Passport as Passport
    from crypto_features.store import PassportError as PassportError
    from crypto_features.store import parity as parity
    from crypto_features.tables.bars import Bars as Bars
    from crypto_features.tables.borrowed import Borrowed as Borrowed
    from crypto_features.tables.by_month import by_month as by_month
    from crypto_features.tables.catalog import Catalog as Catalog
    from crypto_features.tables.derivative_rows import DERIVATIVES as DERIVATIVES
    from crypto_features.tables.derivative_rows import FUNDING as FUNDING
    from crypto_features.tables.drift import Drift as Drift
    from crypto_features.tables.events import Cusum as Cusum
    from crypto_features.tables.feature import NOT_NEGATIVE as NOT_NEGATIVE
    from crypto_features.tables.feature import POSITIVE as POSITIVE
    from crypto_features.tables.feature import Feature as Feature
    from crypto_features.tables.folds import Combinatorial as Combinatorial
    from crypto_features.tables.folds import KFold as KFold
    from crypto_features.tables.folds import WalkForward as WalkForward
    from crypto_features.tables.group import FeatureGroup as FeatureGroup
    from crypto_features.tables.label import Label as Label
    from crypto_features.tables.label import direction as direction
    from crypto_features.tables.label import forward_return as forward_return
    from crypto_features.tables.model import FittedModel as FittedModel
    from crypto_features.tables.model import Parameters as Parameters
    from crypto_features.tables.raw import RawTable as RawTable
    from crypto_features.tables.raw_rows import Column as Column
    from crypto_features.tables.raw_rows import RawRows as RawRows
    from crypto_features.tables.service import FeatureService as FeatureService
    from crypto_features.tables.table import Join as Join
    from crypto_features.tables.training import TrainingSet as TrainingSet
    from crypto_features.tables.triple_barrier import triple_barrier as triple_barrier
    from crypto_features.tables.universe import universe as universe
    from crypto_features.tables.weights import Weights as Weights
    from feature_repo import OnlineFeatures as OnlineFeatures
    from feature_repo import create_entity_df as create_entity_df
    from feature_repo import get_online_features as get_online_features
    from feature_repo import get_online_features_async as get_online_features_async
    from feature_repo import get_training_completeness as get_training_completeness
    from feature_repo import get_training_features as get_training_features
    from feature_repo import materialize_features as materialize_features
    from feature_repo import validate_feature_freshness as validate_feature_freshness
    from feature_repo import watch_online_features as watch_online_features

_HOMES = {
    "crypto_features.compute.cross": "breadth demean dispersion rank share zscore",
    "crypto_features.compute.indicators": (
        "CLOSE HIGH LOW OPEN VOLUME adx atr bollinger_width chaikin_money_flow ema macd macd_diff money_flow_index "
        "price_return rsi stochastic true_range typical_price volatility wilder"
    ),
    "crypto_features.compute.pairs": "beta window_correlation window_covariance",
    "crypto_features.compute.ta_adapter": "ta_indicator",
    "crypto_features.compute.windows": "window_deviation window_max window_mean window_min window_sum",
    "crypto_features.errors": (
        "CryptoFeaturesError InputError PermanentError SettingsError TransientError UnknownNameError"
    ),
    "crypto_features.explanation": "Explanation explain",
    "crypto_features.leak": "Leak LeakReport leak_test",
    "crypto_features.report": "FeatureReport feature_report",
    "crypto_features.store": "ConsumedError ParityReport Passport PassportError parity",
    "crypto_features.tables.bars": "Bars",
    "crypto_features.tables.borrowed": "Borrowed",
    "crypto_features.tables.by_month": "by_month",
    "crypto_features.tables.catalog": "Catalog",
    "crypto_features.tables.derivative_rows": "DERIVATIVES FUNDING",
    "crypto_features.tables.drift": "Drift",
    "crypto_features.tables.events": "Cusum",
    "crypto_features.tables.feature": "NOT_NEGATIVE POSITIVE Feature",
    "crypto_features.tables.folds": "Combinatorial KFold WalkForward",
    "crypto_features.tables.group": "FeatureGroup",
    "crypto_features.tables.label": "Label direction forward_return",
    "crypto_features.tables.model": "FittedModel Parameters",
    "crypto_features.tables.raw": "RawTable",
    "crypto_features.tables.raw_rows": "Column RawRows",
    "crypto_features.tables.service": "FeatureService",
    "crypto_features.tables.table": "Join",
    "crypto_features.tables.training": "TrainingSet",
    "crypto_features.tables.triple_barrier": "triple_barrier",
    "crypto_features.tables.universe": "universe",
    "crypto_features.tables.weights": "Weights",
    "feature_repo": (
        "OnlineFeatures create_entity_df get_online_features get_online_features_async get_training_completeness "
        "get_training_features materialize_features validate_feature_freshness watch_online_features"
    ),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names.split()}

__all__ = list(_HOME_OF)  # type checkers read the imports above.


def __getattr__(name: str) -> object:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found: object = getattr(import_module(_HOME_OF[name]), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
