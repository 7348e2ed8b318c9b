"""Reading a request from a database of guarded rows, as steps: manifest and rows in one way, switches, answer."""

from collections.abc import Mapping
from datetime import timedelta
from time import monotonic

from crypto_features_reader import clock, guard
from crypto_features_reader.answer import answered
from crypto_features_reader.backend import StoredRow
from crypto_features_reader.errors import EmptyStoreError, PermanentError
from crypto_features_reader.features import OnlineFeatures, online_features
from crypto_features_reader.manifest import TABLE, Manifest, unpacked
from crypto_features_reader.plan import Plan, Request, planned
from crypto_features_reader.steps import Steps

KNOWN = ""
"""A name among the switches of an online store that has all of them."""
SWITCH_SECONDS = 0.5
"""How old a process's knowledge of the switches may be."""
_MOST_PLANS = 1000
_AGAIN = "Restore a copy, or publish again: crypto-features run"


class DatabaseReading:
    """Reads one project of one database; what it knows of manifest, switches and requests is shared by all threads.

    Args:
        place: Where the database is, without a password.
        project: The project.
    """

    def __init__(self, place: str, project: str) -> None:
        self._place, self._project, self._key = place, project, project.encode()
        self._known: tuple[bytes, Manifest] | None = None
        self._plans: dict[object, tuple[Manifest, Plan]] = {}
        self._switches: tuple[float, Mapping[str, str]] = (float("-inf"), {})
        self._there: dict[str, float] = {}

    def steps(self, request: Request) -> Steps[OnlineFeatures]:
        """The steps of one request."""
        manifest, plan = self._known and self._known[1], None
        if manifest is not None:
            try:
                plan = self._plan(manifest, request)
            except PermanentError:
                manifest = None  # a newer one may know what this one does not.
        while True:
            asked = [part.asked(request.symbols) for part in plan.parts] if plan else []
            wanted: dict[str, list[bytes]] = {TABLE: [self._key]}
            for part, one in zip(plan.parts if plan else (), asked, strict=True):
                wanted[part.view.table] = list(dict.fromkeys([*wanted.get(part.view.table, ()), *one.keys]))
            rows = yield "read", wanted
            found = self._manifest(rows[TABLE].get(self._key))
            if plan is not None and found is manifest:
                break
            manifest, plan = found, self._plan(found, request)
        for part in plan.parts:
            if not rows[part.view.table] and part.view.is_published:
                yield from self._require_there(part.view.table, part.label)
        switches = yield from self._switched()
        now, grace = clock.now(), timedelta(microseconds=manifest.grace)
        answers = [
            answered(
                one,
                rows[part.view.table],
                switches,
                guard.limits(now, timedelta(microseconds=part.view.ttl), grace, request.max_age),
            )
            for part, one in zip(plan.parts, asked, strict=True)
        ]
        return online_features(request.symbols, answers, plan.order, clock.now())

    def _manifest(self, row: StoredRow | None) -> Manifest:
        if row is None:
            raise EmptyStoreError(
                f"the online store {self._place} has no manifest of the project {self._project}: it was never "
                f"published to by version 0.2 or newer, was flushed, or replaced by an empty one. {_AGAIN}."
            )
        if self._known is None or self._known[0] != row.payload:
            self._known = row.payload, unpacked(row.payload, self._place)
        return self._known[1]

    def _plan(self, manifest: Manifest, request: Request) -> Plan:
        key: tuple[object, bool, object] = (request.features, request.full, request.passport)
        held = self._plans.get(key)
        if held is not None and held[0] is manifest:
            return held[1]
        if len(self._plans) >= _MOST_PLANS:
            self._plans.clear()
        plan = planned(manifest, request.features, full=request.full, passport=request.passport)
        self._plans[key] = manifest, plan
        return plan

    def _switched(self) -> Steps[Mapping[str, str]]:
        """What is switched off, at most half a second old."""
        read, switches = self._switches
        now = monotonic()
        if now - read > SWITCH_SECONDS:
            found = dict((yield ("switches",)))
            if found.pop(KNOWN, None) is None:
                raise EmptyStoreError(
                    f"the online store {self._place} lost what is switched off: it was flushed, or replaced. Only its "
                    f"publisher knows, so nothing is served. {_AGAIN}."
                )
            self._switches = now, found
            return found
        return switches

    def _require_there(self, table: str, view: str) -> Steps[None]:
        """Check that a table to which rows were published is there."""
        if monotonic() - self._there.get(table, float("-inf")) < SWITCH_SECONDS:
            return
        if not (yield "has", table):
            raise EmptyStoreError(
                f"the online store {self._place} has nothing of {view}, which was published to it: it was flushed, or "
                f"replaced by an empty one. {_AGAIN}, or feast materialize-incremental in feature_repo/."
            )
        self._there[table] = monotonic()
