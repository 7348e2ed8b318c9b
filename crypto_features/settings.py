"""Every setting: its environment variable, default, unit and meaning."""

import os
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import available_timezones

from pydantic import BeforeValidator, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict
from upath import UPath

from crypto_features.clock import FIRST_YEAR, LAST_YEAR
from crypto_features.durations import duration
from crypto_features.errors import SettingsError

PREFIX = "CRYPTO_FEATURES_"
READ_ELSEWHERE = frozenset({f"{PREFIX}{name}" for name in ("CLOCK", "SERVE_TOKEN", "REAL_DATA")})
"""Variables of the clock, of the server and of the tests."""
DAY = timedelta(days=1)
_CANDLE_COLUMNS = ("open_time", "open", "high", "low", "close", "volume", "symbol")
_MISSPELT = re.compile(
    "|".join(
        f"{PREFIX[:i]}(?:.?{PREFIX[i + 1 :]}|.{PREFIX[i:]}|{PREFIX[i + 1 : i + 2]}{PREFIX[i]}{PREFIX[i + 2 :]})"
        for i in range(len(PREFIX))
    ),
    re.IGNORECASE,
)
"""The prefix, with at most one letter changed, left out, added or exchanged with the next."""


def _duration(value: object) -> object:
    return duration(value) if isinstance(value, str) else value


Duration = Annotated[timedelta, NoDecode, BeforeValidator(_duration)]


class Settings(BaseSettings):
    """What the platform reads from the environment, each name prefixed with `CRYPTO_FEATURES_`.

    `CRYPTO_FEATURES_CLOCK` is read by `crypto_features.clock`, the only module that knows the time.
    """

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore")

    data: str = Field(
        "data",
        description="Folder or bucket URL of every table. A relative folder starts at the project's root "
        "(the nearest folder, from the working directory upwards, that holds feature_repo/feature_store.yaml).",
    )
    source: str = Field(
        "sample",
        description="Where candles come from: sample, files, ccxt, archive, or your own as module:function.",
    )
    catalog: str | None = Field(
        None,
        description="The tables of the project, as module:name; by default those of the installed package that offers "
        "a catalog, and the shipped ones without one.",
    )
    files: str | None = Field(
        None,
        description="Folder of candle files (CSV, Parquet, Feather, JSON, also packed), for the source `files`, each "
        "named after its market, such as BTC.csv or BTCUSDT-1h-2024-01.zip.",
    )
    files_columns: Annotated[Mapping[str, str], NoDecode] = Field(
        {},
        description="The file's column for a candle's column, where a vendor leaves it open: comma-separated pairs "
        "such as open_time=date,volume=Volume BTC; symbol=<column> is that of the markets' names.",
    )
    files_stamps: str | None = Field(
        None,
        description="Form of the stamps in the files, where they can be read in two ways or in none that is known: s, "
        "ms, us, ns, excel or days (day numbers since 1899-12-30 or 1970-01-01), or a format such as %d/%m/%Y %H:%M.",
    )
    files_venue: str = Field(
        "files",
        min_length=1,
        description="Venue, kind of market and quote of the candles in the files, such as binance spot USDT: a data "
        "folder holds the candles of one.",
    )
    files_zone: str | None = Field(
        None, description="Time zone of stamps in the files that name none, such as America/New_York; by default UTC."
    )
    files_interval: Duration | None = Field(
        None, description="Length of a candle in the files, such as 1h, where their times leave it open."
    )
    files_volume: Literal["base", "quote"] | None = Field(
        None,
        description="Whether the volume in the files counts the base asset or the quote currency, where they leave it "
        "open: base or quote. One in the quote currency is divided by the close.",
    )
    files_limit: int = Field(4 << 30, gt=0, description="How many bytes a file may unpack to; more is refused.")
    max_rejected: float = Field(
        0.01, ge=0, le=1, description="Share of a run's fetched candles, 0 to 1, that may break the contract."
    )
    recheck: Duration = Field(
        timedelta(days=1),
        description="How far before a missing candle an exchange is asked for the stored ones again, to find "
        "corrections, such as 1d.",
    )
    exchange: str = Field("binance", description="Exchange of the source `ccxt`, by its name there.")
    exchange_url: str | None = Field(
        None, repr=False, description="Address in place of the exchange's own: a proxy or a mirror."
    )
    stream_url: str | None = Field(
        None, repr=False, description="Address in place of the exchange's own websocket, such as ws://127.0.0.1:9000."
    )
    exchange_key: SecretStr | None = Field(None, description="API key of the exchange; public candles need none.")
    exchange_secret: SecretStr | None = Field(None, description="API secret of the exchange; public candles need none.")
    exchange_parallel: int = Field(4, ge=1, le=64, description="How many symbols are fetched at once.")
    archive_url: str = Field(
        "https://data.binance.vision",
        repr=False,
        description="Address of Binance's bulk files, or of a mirror with their layout.",
    )
    archive_limit: int = Field(
        256 << 20, gt=0, description="How many bytes a file of the archive may unpack to; more is refused."
    )
    quote: str = Field("USDT", description="Currency of the prices, of the sources `ccxt` and `archive`.")
    markets: str = Field(
        "",
        description="Markets of symbols that were renamed, with the dates from which and until which each is valid: "
        "POL=MATIC/USDT@..2024-09-10+POL/USDT@2024-09-13..;<next symbol>=... A factor, as in 1000SHIB/USDT*1000, says "
        "how many units of the symbol one unit of the market is.",
    )
    derivatives_source: str = Field(
        "",
        description="Where funding and open interest of perpetual futures come from: archive, ccxt, another exchange "
        "as ccxt:bybit, or your own as module:function. Without one there is no group `derivatives_features`.",
    )
    derivatives_markets: str = Field(
        "",
        description="Markets of symbols whose perpetual future is not <symbol>/<quote>:<quote>, in the form of "
        "MARKETS, such as SHIB=1000SHIB/USDT:USDT*1000.",
    )
    patience: Duration = Field(
        timedelta(minutes=5), description="For how long a failing request is made again, such as 90s or 5m."
    )
    symbols: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Comma-separated symbols; by default all that the source offers."
    )
    start: datetime | None = Field(None, description="First month, as 2024-01; by default the source's own first.")
    interval: Duration = Field(
        timedelta(hours=1), description="Length of a base candle, such as 15m, 1h or 4h; it must divide a day."
    )
    late_wait: Duration = Field(
        timedelta(hours=1),
        description="How long after a bar's close a symbol's missing candles are waited for, such as 1h. After that "
        "the bar counts as over, with the candles that it has.",
    )
    disk_reserve: int = Field(
        256 << 20,
        ge=0,
        description="How many bytes must stay free on the data folder's disk: with less no run begins, and below four "
        "times as many an alert comes.",
    )
    live: bool = Field(
        default=True,
        description="Whether `crypto-features dev` runs `crypto-features live` beside itself where the source can "
        "stream: true or false.",
    )
    live_lag: Duration = Field(
        timedelta(minutes=2),
        description="How long after the close of a bar its live row may be missing before the check `lag` fails and "
        "alerts, such as 2m.",
    )
    min_completeness: float = Field(
        0.75,
        ge=0,
        le=1,
        description="Share of its candles, 0 to 1, that a bar needs: the features of a bar with less are null, with "
        "the status INCOMPLETE. A feature group may declare its own.",
    )
    online_grace: Duration = Field(
        timedelta(minutes=5),
        description="How much longer than its view's TTL a value may be served, such as 90s or 5m, so that the time "
        "between a candle's close and its publication does not blank the bot.",
    )
    store: Literal["embedded", "postgres", "redis"] = Field(
        "embedded",
        description="Where the registry and the online rows live: embedded (two SQLite files below the data folder), "
        "postgres (both in PostgreSQL) or redis (rows in Valkey or Redis, registry in PostgreSQL if that has an "
        "address).",
    )
    postgres_url: SecretStr = Field(
        SecretStr(""),
        description="Address of PostgreSQL, as postgresql://user@host:5432/database; libpq reads PGPASSWORD.",
    )
    redis_url: SecretStr = Field(
        SecretStr("redis://127.0.0.1:6379/0"),
        description="Address of Valkey or Redis, as redis://:password@host:6379/0.",
    )

    automation: bool = Field(
        default=True,
        description="Whether schedules, sensors and declarative automation run by themselves: true or false. When "
        "false, each can still be started in the UI.",
    )
    look_every: Duration = Field(
        timedelta(seconds=30), description="How often sensors and declarative automation look, such as 30s."
    )
    keep_runs: Duration = Field(
        timedelta(days=30),
        description="How long Dagster's records of a run and its logs are kept, such as 30d; a run that made the "
        "newest of a partition stays.",
    )
    alert_webhook: SecretStr = Field(
        SecretStr(""), description="Where alerts are posted as Slack-compatible JSON; by default nowhere."
    )
    alert_repeat: Duration = Field(
        timedelta(hours=6), description="How long until an alert that is still open is repeated, such as 6h."
    )
    heartbeat_url: SecretStr = Field(
        SecretStr(""),
        description="Address that gets a request after each look of the sensor `alerts` that reported all it had to: "
        "who expects it, such as Healthchecks, alerts when it stays away. By default none.",
    )
    ui_url: str = Field("http://127.0.0.1:3000", description="Where people open the Dagster UI; alerts link to it.")
    openlineage: str = Field(
        "",
        repr=False,
        description="Where OpenLineage events go: an http(s) URL or the path of a file; by default nowhere.",
    )

    @classmethod
    def load(cls) -> "Settings":
        """The settings of this environment.

        Raises:
            SettingsError: naming each variable with a bad value, the value, and what was expected; or a variable that
                is not a setting, its prefix misspelt by a letter or not.
        """
        settings = _read(cls, tuple(os.environ.items()), project_root())
        if settings.root.protocol in ("", "file"):
            there = next(path for path in (settings.root, *settings.root.parents) if path.exists())
            if not there.is_dir():
                raise SettingsError(f"{PREFIX}DATA: {there} is a file; expected a folder, which need not exist yet.")
        return settings

    @field_validator("data")
    @classmethod
    def _names_a_folder(cls, value: str) -> str:
        if not value.strip():
            raise ValueError("it is empty; name a folder or the URL of a bucket, or unset it for data/ in the project")
        try:
            path = UPath(value)
            if path.protocol and path.fs:
                return value
        except ImportError as error:
            raise ValueError(f"{value!r} needs another package: {error}; or name a folder") from None
        except ValueError:
            raise ValueError(
                f"{value!r} begins with no protocol that is known; expected a folder or a URL such as s3://bucket"
            ) from None
        try:
            return str(Path(value).expanduser())
        except RuntimeError:
            raise ValueError(f"{value!r} names the home of a user who does not exist") from None

    @field_validator("symbols", mode="before")
    @classmethod
    def _split_symbols(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        names = (name.strip() for name in value.split(","))
        # The capitals of a name that is not ASCII may be another asset's.
        return tuple(name.upper() if name.isascii() else name for name in names if name)

    @field_validator("files_columns", mode="before")
    @classmethod
    def _split_pairs(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        pairs = [pair.partition("=") for pair in value.split(",") if pair.strip()]
        wrong = [key.strip() for key, _, column in pairs if key.strip() not in _CANDLE_COLUMNS or not column.strip()]
        if wrong:
            raise ValueError(f"{wrong[0]!r} needs the form <one of {', '.join(_CANDLE_COLUMNS)}>=<column of the file>")
        return {key.strip(): column.strip() for key, _, column in pairs}

    @field_validator("files_zone")
    @classmethod
    def _is_a_zone(cls, value: str | None) -> str | None:
        if value is not None and value not in available_timezones():
            raise ValueError(f"{value!r} is not a time zone; expected a name such as America/New_York")
        return value

    @field_validator("start", mode="before")
    @classmethod
    def _parse_month(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        if not re.fullmatch(r"\d{4}-(0[1-9]|1[0-2])", value):
            raise ValueError(f"{value!r} is not a month; expected YYYY-MM, such as 2024-01")
        if not FIRST_YEAR <= int(value[:4]) <= LAST_YEAR:
            raise ValueError(f"{value!r} is not a month of {FIRST_YEAR} to {LAST_YEAR}")
        return datetime(int(value[:4]), int(value[5:]), 1, tzinfo=UTC)

    @field_validator("interval")
    @classmethod
    def _divides_a_day(cls, value: timedelta) -> timedelta:
        if value < timedelta(minutes=1) or value % timedelta(minutes=1) or DAY % value:
            raise ValueError(f"{value} is not whole minutes that divide a day; choose such as 15m, 1h or 4h")
        return value

    @cached_property
    def root(self) -> UPath:
        """The data folder, absolute."""
        path = UPath(self.data)
        if path.protocol not in ("", "file") or path.is_absolute():
            return path
        return UPath(project_root()) / self.data

    @property
    def online_url(self) -> str:
        """Address of the online store; it may hold a password, so it is never logged."""
        if self.store == "redis":
            return self.redis_url.get_secret_value()
        return self._postgres() if self.store == "postgres" else "sqlite:///online.db"

    @property
    def registry_url(self) -> str:
        """Address of the registry; it may hold a password, so it is never logged."""
        if self.store == "postgres" or (self.store == "redis" and self.postgres_url.get_secret_value()):
            return self._postgres()
        return "sqlite:///registry.db"

    def _postgres(self) -> str:
        url = self.postgres_url.get_secret_value()
        if not url:
            raise SettingsError(
                "CRYPTO_FEATURES_STORE=postgres needs CRYPTO_FEATURES_POSTGRES_URL, "
                "such as postgresql://user@host:5432/database, with the password in PGPASSWORD."
            )
        return url


@lru_cache(maxsize=4)
def _read(cls: type[Settings], _environment: tuple[tuple[str, str], ...], _root: Path) -> Settings:
    """The settings of an environment in a project, read once: a run asks for them thousands of times."""
    known = {f"{PREFIX}{name.upper()}" for name in cls.model_fields} | READ_ELSEWHERE
    for variable in sorted(name for name in os.environ if _MISSPELT.match(name) and name.upper() not in known):
        meant = get_close_matches(variable.upper(), known, n=1)
        raise SettingsError(f"{variable} is not a setting" + (f"; did you mean {meant[0]}?" if meant else "."))
    try:
        settings = cls()
    except ValidationError as error:
        problems = [(str(e["loc"][0]).upper(), e["msg"].removeprefix("Value error, ")) for e in error.errors()]
        raise SettingsError("; ".join(f"{PREFIX}{name}: {problem}" for name, problem in problems)) from None
    return settings


def project_root() -> Path:
    """The nearest folder from the working directory upwards that holds `feature_repo/`, else the working directory."""
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / "feature_repo" / "feature_store.yaml").is_file():
            return folder
    return here
