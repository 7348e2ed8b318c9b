"""docs/settings.md, made of the settings' own descriptions: `python -m docs.tools.settings_page` writes it."""

from datetime import timedelta
from pathlib import Path

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from crypto_features.settings import PREFIX, Settings

PAGE = Path(__file__).parents[1] / "settings.md"
SECTIONS = {
    "Data folder and project": "data catalog start symbols interval",
    "Where candles come from": "source quote markets max_rejected late_wait min_completeness recheck patience",
    "Files": ("files files_columns files_stamps files_zone files_interval files_volume files_venue files_limit"),
    "Exchanges and archives": (
        "exchange exchange_parallel exchange_key exchange_secret exchange_url stream_url archive_url archive_limit"
    ),
    "Funding and open interest": "derivatives_source derivatives_markets",
    "Live": "live live_lag",
    "Online store": "store postgres_url redis_url online_grace",
    "Operation": (
        "automation look_every alert_webhook alert_repeat heartbeat_url keep_runs disk_reserve ui_url openlineage"
    ),
}
"""Every setting, by what it is about."""
HEAD = """\
# Settings

Settings are environment variables. Each has a default that works, so `make run` needs none. A variable whose name
begins with `CRYPTO_FEATURES_` and is not a setting is refused with the name that was probably meant; a bad value is
refused with the value and what was expected.

This page is generated from `crypto_features.settings.Settings` by `make docs`: change the descriptions there.

Lengths of time are a number and a unit, `s`, `m`, `h` or `d`, such as `90s`. Truth values are `true` and `false`.
"""
TABLE = "| variable | default | meaning |\n| --- | --- | --- |\n"
ELSEWHERE = {
    "CRYPTO_FEATURES_CLOCK": "A UTC time at which the platform's clock stands still, such as 2024-03-10T00:30Z, to "
    "replay a past market in a data folder of its own; or `@FILE` for a file that holds the time. By default the "
    "machine's clock.",
    "CRYPTO_FEATURES_SERVE_TOKEN": "Token that clients of `crypto-features serve` send as `Authorization: Bearer …`; "
    "needed with `--expose`.",
    "CRYPTO_FEATURES_REAL_DATA": "Folder of real candles that tests compare values with. Without it these tests are "
    "skipped.",
    "DAGSTER_HOME": "Where Dagster keeps runs and events; `crypto-features run` and `dev` use `dagster` in the data "
    "folder. Dagster's own commands need the variable.",
}
"""Variables that other modules read."""


def page() -> str:
    """The page that belongs to the settings as they are."""
    fields = Settings.model_fields
    missing = set(fields) ^ {name for names in SECTIONS.values() for name in names.split()}
    if missing:
        raise SystemExit(f"{', '.join(sorted(missing))}: SECTIONS of {Path(__file__).name} and Settings disagree.")
    parts = [HEAD]
    for title, names in SECTIONS.items():
        rows = (_row(f"{PREFIX}{name.upper()}", *_described(fields[name])) for name in names.split())
        parts.append(f"## {title}\n\n{TABLE}{''.join(rows)}")
    rows = (_row(name, "", text) for name, text in ELSEWHERE.items())
    return "\n".join([*parts, f"## Read by single parts\n\n{TABLE}{''.join(rows)}"])


def _row(variable: str, default: str, text: str) -> str:
    shown = text.replace("<", "&lt;").replace("|", "\\|")
    return f"| `{variable}` | {f'`{default}`' if default else ''} | {shown} |\n"


def _described(field: FieldInfo) -> tuple[str, str]:
    return _shown(field.default), field.description or ""


def _shown(default: object) -> str:
    """A default as it is written in the environment."""
    if isinstance(default, timedelta):
        units = {"d": 86400, "h": 3600, "m": 60, "s": 1}
        seconds = int(default.total_seconds())
        unit = next(unit for unit, length in units.items() if seconds % length == 0)
        return f"{seconds // units[unit]}{unit}"
    if isinstance(default, bool):
        return str(default).lower()
    if isinstance(default, SecretStr):
        return default.get_secret_value()
    return str(default) if default or default == 0 else ""


if __name__ == "__main__":
    PAGE.write_text(page())
