"""Candles that were asked for and did not come: when their absence is believed, and when they are requested again.

The rule, for a source that answers questions (`Source.resumes`):

1. A candle counts as not given once the source has answered a question that covers it and a later candle of the same
   symbol came in the same session: that proves that the source was well, and past it. A session is one run.
2. It is believed absent after two such sessions, at least an hour apart. Until then every run requests it again.
3. Then it rests for a day, and is requested again; each further session without it makes the rest seven times longer:
   1, 7, 49, 343 days, ... No absence is forever, and each question includes the stored candle after it, the proof.
4. A session in which nothing later came proves nothing, and the count starts over. Such candles are asked for in every
   run. Within a week of their close they count as late, and are not even noted.

Of a source that adds candles late to files that it has not (`Source.adds_late`), each session proves an absence: that
there is no such file is an answer. Its candles count as late for a week, too.

A candle that comes leaves the notes. `IngestReport.absent` lists what remains in them.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any

from crypto_features.lake.spans import Span, common, from_texts, to_texts, without

APART = timedelta(hours=1)
_BELIEVED = 2
_REST, _GROWTH, _LONGEST = timedelta(days=1), 7, 7
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Absent:
    """Candles that did not come.

    Args:
        span: The candles.
        sessions: How many sessions proved it, at least an hour apart; 0 if none did.
        last: When the last of these sessions was; of 0 sessions, when they were last asked for.
    """

    span: Span
    sessions: int
    last: datetime

    @property
    def believed(self) -> bool:
        return self.sessions >= _BELIEVED

    def rests(self, now: datetime) -> bool:
        """Whether it was asked for a short while ago, as the rule has it; a note from the future counts as none."""
        if self.sessions == 1:
            return timedelta(0) <= now - self.last < APART
        longer: int = _GROWTH ** min(max(self.sessions - _BELIEVED, 0), _LONGEST)
        return timedelta(0) <= now - self.last < _REST * longer


def after_session(
    noted: Sequence[Absent], asked: Span, missing: Sequence[Span], now: datetime, proven: int
) -> list[Absent]:
    """The notes of a symbol after a session.

    Args:
        noted: The notes before it.
        asked: The candles that the session asked for.
        missing: Those of them that did not come.
        now: When the session was.
        proven: The newest candle that came: up to it absence is proven.
    """
    kept = [replace(one, span=part) for one in noted for part in without(one.span, [asked])]
    known = [replace(one, span=part) for one in noted for span in missing for part in common(one.span, span)]
    first = [Absent(part, 0, now) for span in missing for part in without(span, [one.span for one in known])]
    for one in (*known, *first):
        start, end = one.span
        if start < proven:
            kept.append(replace(_once_more(one, now), span=(start, min(end, proven))))
        if proven < end:
            kept.append(Absent((max(start, proven), end), 0, now))
    return kept


def notes(absent: Iterable[Absent], first: int) -> list[dict[str, Any]]:
    """As JSON that a person can read: the candles, counted from `first`, with the sessions and the last of them."""

    def kind(one: Absent) -> tuple[int, datetime]:
        return one.sessions, one.last

    return [
        {**to_texts({"candles": [one.span for one in alike]}, first), "sessions": sessions, "last": last.isoformat()}
        for (sessions, last), alike in groupby(sorted(absent, key=kind), kind)
    ]


def from_notes(written: Sequence[Mapping[str, Any]] | str, first: int) -> list[Absent]:
    """What `notes` wrote, or the plain spans that version 0.1 wrote: these were believed after one session."""
    if isinstance(written, str):
        written = [{"candles": written, "sessions": 1, "last": _LONG_AGO.isoformat()}]
    return [
        Absent(span, int(note["sessions"]), datetime.fromisoformat(note["last"]))
        for note in written
        for span in from_texts({"candles": note["candles"]}, first)["candles"]
    ]


def _once_more(one: Absent, now: datetime) -> Absent:
    if one.sessions and timedelta(0) <= now - one.last < APART:
        return one
    return replace(one, sessions=one.sessions + 1, last=now)
