"""Feature views of another project, read by name: its code is not imported, and its tables are never written."""

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from datetime import timedelta

import polars as pl

from crypto_features.durations import length
from crypto_features.errors import InputError
from crypto_features.tables.completeness import COMPLETENESS
from crypto_features.tables.dtypes import TIME, Dtype
from crypto_features.tables.feature import Feature
from crypto_features.tables.read import Reader, Terms
from crypto_features.tables.table import Join, Table


@dataclass(frozen=True, eq=False, repr=False)
class Borrowed(Table):
    """A feature view that another project declares, computes and publishes, in the same data folder and registry.

    It may give the bars of a group, be joined by one, and be read by services and training sets.

    Args:
        name: Name of the view.
        project: The project that declares it.
        bars: The bars that the view's rows belong to, which gives their length. They may be of the other project.
        features: Those of its features that are read; by name, or with the type of each if it is not Float64.
        ttl: The view's TTL; `None` for the length of a bar.
        version: The version of the view that is read, as `feast feature-views list-versions` shows it in the other
            project. `None` for the one that is current when this project is applied.
        description: What it is read for.

    Raises:
        InputError: if it reads no feature, or one twice.
    """

    name: str
    project: str
    _: KW_ONLY
    bars: Table
    features: Sequence[str] | Mapping[str, Dtype]
    ttl: timedelta | str | None = None
    version: int | None = None
    description: str = ""

    def __post_init__(self) -> None:
        names = [*self.features]
        if not names or len({*names}) < len(names):
            raise InputError(f"{self.name} of {self.project} is read with features={names}; name each once.")

    @property
    def fields(self) -> tuple[Feature, ...]:
        """The features that are read, each with its type."""
        types = self.features if isinstance(self.features, Mapping) else dict.fromkeys(self.features, pl.Float64)
        said = f"As {self.project} declares it."
        return tuple(Feature(name, None, said, f"as in {self.project}", dtype) for name, dtype in types.items())

    @property
    def inputs(self) -> tuple[Join, ...]:
        """Its bars."""
        return (Join(self.bars, timedelta(0)),)

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the features that are read."""
        return tuple(self.features)

    def bar(self, base: timedelta) -> timedelta:
        """Length of its bars."""
        return self.bars.bar(base)

    def time_to_live(self, interval: timedelta) -> timedelta:
        """How old a value may be when it is used.

        Args:
            interval: Length of a base candle.
        """
        return self.bar(interval) if self.ttl is None else length(self.ttl, f"the ttl of {self.name}")

    def compute(self, read: Reader, month: str, symbols: Sequence[str] | None, terms: Terms) -> pl.DataFrame:  # noqa: ARG002 - a kind's method.
        """Nothing: the other project computes it.

        Raises:
            InputError: always.
        """
        raise InputError(f"{self.name} belongs to {self.project}, which computes and publishes it; run it there.")

    def whole(self, inputs: Mapping[str, pl.DataFrame], interval: timedelta) -> pl.DataFrame:
        """Rows that stand for the view's, for probes: made from its bars alone, so that what reads ahead shows.

        Args:
            inputs: Its bars, by their name.
            interval: Length of a base candle.
        """
        bars = inputs[self.bars.name]
        time = pl.col("open_time").cast(TIME) + self.bars.bar(interval) if "open_time" in bars.columns else None
        complete = pl.col(COMPLETENESS) if COMPLETENESS in bars.columns else pl.lit(1.0)
        rows = bars.select(
            "symbol",
            (pl.col("event_timestamp") if time is None else time).alias("event_timestamp"),
            complete.alias(COMPLETENESS),
            *(
                _stand_in(pl.col(self._price(bars)) * (number + 1), field.column_type).alias(field.name)
                for number, field in enumerate(self.fields)
            ),
        )
        return rows.sort("symbol", "event_timestamp")

    def _price(self, bars: pl.DataFrame) -> str:
        return "close" if "close" in bars.columns else next(n for n in self.bars.columns if bars[n].dtype.is_float())


def _stand_in(price: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """A value from 0 to 100 that every change of a price changes, in the type of a column."""
    value = (price * 1000) % 100
    if isinstance(dtype, pl.List):
        return _stand_in(price, dtype.inner).reshape((-1, 1)).cast(dtype)  # type: ignore[arg-type] # a scalar.
    if dtype == pl.Boolean:
        return value >= 50  # noqa: PLR2004 - the middle.
    if dtype == pl.String:
        return pl.when(value >= 50).then(pl.lit("A")).otherwise(pl.lit("B"))  # noqa: PLR2004 - as above.
    if dtype == pl.Binary:
        return value.cast(pl.String).cast(pl.Binary)
    if dtype in (pl.Date, TIME):
        return pl.lit(0).cast(TIME).dt.offset_by("1d").cast(dtype) + pl.duration(days=value.floor().cast(pl.Int64))
    return value.cast(dtype)
