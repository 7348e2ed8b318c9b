"""The fitted models behind a value: by which run and on which rows each was fitted, and why it is another one now."""

import json
from collections.abc import Iterator, Sequence
from datetime import datetime

import polars as pl

from crypto_features.explanation.facts import Cause, Change, Fit, Run
from crypto_features.explanation.judge import moved
from crypto_features.explanation.lake import Lake
from crypto_features.explanation.replay import Versions
from crypto_features.explanation.since import Admitted, causes
from crypto_features.explanation.subject import Subject
from crypto_features.explanation.window import fit_windows, raw_rows
from crypto_features.known.history import FittedVersion
from crypto_features.lake.models import model_path
from crypto_features.tables.artefact import opened
from crypto_features.tables.model import FittedModel
from crypto_features.tables.months import month_span
from crypto_features.versions.provenance import DEFINITIONS, FINGERPRINTS, INPUTS


def fits(subject: Subject, month: str) -> Iterator[Fit]:
    """The fitted models that a month of a column is read by, as they are published."""
    lake = subject.lake
    for model, of, versions in subject.models([month]):
        newest = versions[-1]
        notes, file = opened(newest.parameters).notes, str(model_path(lake.root, model.name, of))
        run = Run(notes["run_id"], newest.published_at, file) if "run_id" in notes else None
        inputs = json.loads(notes.get(INPUTS, "{}"))
        yield Fit(model.name, of, newest.version, run, inputs, tuple(moved(lake, model, notes)))


def fitted_again(subject: Subject, months: Sequence[str], since: datetime) -> Iterator[Cause]:
    """Why the fitted models of some months are others than at a time: each is fitted again on the rows of then, and
    with one more kind of what had happened until it was published.
    """
    for model, month, versions in subject.models(months):
        before, after = subject.lake.model(model.name, month, since), versions[-1]
        if before is not None and before.published_at <= since < after.published_at:
            yield from _why(subject.lake, model, month, before, after)


def _why(lake: Lake, model: FittedModel, month: str, before: FittedVersion, after: FittedVersion) -> Iterator[Cause]:
    then, versions = before.published_at, _until(lake.versions, after.published_at)

    def named(version: str) -> str:
        return f"{model.name} {month} of version {version}"

    def version(admitted: Admitted, now: datetime | None, models_at: datetime | None) -> object:
        at = now or after.published_at
        replay = lake.replay(
            model.of, now=at, models_at=models_at or after.published_at, versions=versions, admitted=admitted
        )
        return named(replay.fitted(model, month))

    notes = [opened(one.parameters).notes for one in (before, after)]
    if any(notes[0].get(key) != notes[1].get(key) for key in (FINGERPRINTS, DEFINITIONS)):
        again = version(lambda rows: rows.filter(pl.col("known_at") <= then), then, then)
        yield Cause(Change.CODE, (), named(before.version), again)
    candles = raw_rows(versions, fit_windows(lake.replay(model.of), model, month))
    yield from causes(version, candles, {}, month_span(month)[0], then)


def _until(versions: Versions, time: datetime) -> Versions:
    """Reads the raw rows that were known at a time."""
    return lambda name, month, symbols: versions(name, month, symbols).filter(pl.col("known_at") <= time)
