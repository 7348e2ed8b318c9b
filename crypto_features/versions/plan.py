"""What is stale, and why: what a full build would change, found from notes and, where these leave it open, in memory.

A partition notes the content of everything that it was computed from. The plan walks the tables in their order and
compares that note with what each input will hold once the plan has run: what is published, or what the plan itself has
found that will be published. So it does not matter what was interrupted, rebuilt, deleted or corrected before. Where an
input differs, the partition is computed in memory, for the symbols concerned, and listed if its content differs.
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any

from crypto_features.compute.resample import WAITS_UNTIL
from crypto_features.tables.node import Node
from crypto_features.tables.read import Read
from crypto_features.versions.provenance import COLUMNS, DEFINITIONS, FINGERPRINTS, input_digest

MISSING, WITHOUT_NOTES = "missing", "published without notes"


class Reason(Enum):
    """Why a partition must be computed again."""

    NEVER_BUILT = "never built"
    FEATURE_CHANGED = "feature changed"
    UPSTREAM_CHANGED = "upstream changed"
    INPUT_CORRECTED = "input corrected"
    BAR_OVER = "a bar is over"
    DEFINITION_CHANGED = "definition changed, values to be confirmed"
    LAST_BITS = "definition changed, last bits of values differ"
    OLDER_VERSION = "written by version 0.1, values to be confirmed"


@dataclass(frozen=True)
class Stale:
    """One partition to compute again.

    Args:
        asset: Name of the table.
        partition: Its month.
        reason: The first that applies.
        details: Which feature, which upstream partition, or which candles.
        ready: Whether nothing that it reads is stale itself.
    """

    asset: str
    partition: str
    reason: Reason
    details: tuple[str, ...]
    ready: bool = True

    def __str__(self) -> str:
        return f"{self.asset} {self.partition}: {self.reason.value} ({', '.join(self.details)})"


@dataclass(frozen=True)
class Settled:
    """A partition whose content is what a full build gives, although its notes name another origin.

    Args:
        asset: Name of the table.
        partition: Its month.
        notes: Those that are true once the plan has run.
    """

    asset: str
    partition: str
    notes: Mapping[str, str]


@dataclass(frozen=True)
class Plan:
    """What a full build would change.

    Args:
        stale: The partitions that it would change, upstream and oldest first.
        settled: Those that it would compute otherwise and find equal.
        kept: Published facts that stay as they are, although they were fitted from other rows than there are now.
    """

    stale: tuple[Stale, ...]
    settled: tuple[Settled, ...] = ()
    kept: tuple[Stale, ...] = ()


@dataclass(frozen=True)
class Published:
    """What is on disk now.

    Args:
        notes: By asset and month, the metadata it was published with (of a fitted model, its notes).
        digests: By asset and month, the digest of the whole content, where the notes do not tell columns apart.
    """

    notes: Mapping[str, Mapping[str, Mapping[str, str]]]
    digests: Mapping[str, Mapping[str, str]]

    def months(self, asset: str) -> Collection[str]:
        """The months that are published."""
        return self.notes.get(asset, {}).keys() | self.digests.get(asset, {}).keys()

    def digest(self, read: Read, month: str) -> str | None:
        """Digest of the columns that are read of a month; `None` if it is not published."""
        note = self.notes.get(read.table, {}).get(month, {})
        columns = noted(note, COLUMNS)
        return input_digest(columns, read.columns) if columns else self.digests.get(read.table, {}).get(month)


def noted(note: Mapping[str, str], key: str) -> dict[str, Any]:
    """A note that is a mapping, such as `FINGERPRINTS`; empty if it was not written."""
    found: dict[str, Any] = json.loads(note.get(key, "{}"))
    return found


def is_older(note: Mapping[str, str]) -> bool:
    """Whether version 0.1 published the partition: it noted no definitions, and measured behaviour otherwise."""
    return DEFINITIONS not in note


def behaviour(node: Node, note: Mapping[str, str], changed: Mapping[str, set[str]]) -> tuple[set[str], set[str]]:
    """Columns that behave otherwise than noted by their own definition, and because of changed columns they read."""
    if is_older(note):
        return set(), set()
    now, before = node.fingerprints, noted(note, FINGERPRINTS)
    differ = {name for name in now.keys() | before.keys() if now.get(name) != before.get(name)}
    inherited = {
        name
        for name in differ & now.keys() & before.keys()
        if any(column in changed.get(table, ()) for table, column in node.sources.get(name, ()))
    }
    return differ - inherited, inherited


def redefined(node: Node, note: Mapping[str, str]) -> tuple[str, ...]:
    """Columns whose definition is not the noted one."""
    before = noted(note, DEFINITIONS)
    return tuple(sorted(n for n, d in node.definitions.items() if before.get(n) != d))


def bar_over(note: Mapping[str, str], now: datetime) -> bool:
    """Whether a bar that was waited for when the partition was published can't come any more."""
    return WAITS_UNTIL in note and datetime.fromisoformat(note[WAITS_UNTIL]) <= now
