"""What is switched off. The online store says so to its readers, and the registry keeps a copy.

An online store may be flushed, deleted, or replaced by an empty one. Without `KNOWN` among its switches it is taken for
such a one: the registry is asked, too, and where that does not answer nothing is served. Each publish brings both to
the same state.
"""

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import (
    Column,
    Connection,
    Engine,
    MetaData,
    Table,
    Text,
    create_engine,
    delete,
    insert,
    inspect,
    select,
)
from sqlalchemy.exc import SQLAlchemyError

from crypto_features.store.errors import StoreMisusedError, StoreUnreachableError
from crypto_features.store.online.backend import Backend
from crypto_features_reader.reading import KNOWN

_MILLISECONDS = 500
"""How long a note waits for another writer of the registry."""
_NOTES = Table("crypto_features_switches", MetaData(), Column("name", Text, primary_key=True), Column("why", Text))
_TABLES = Table("crypto_features_published", MetaData(), Column("name", Text, primary_key=True))

T = TypeVar("T")


class Switches:
    """The switches of an online store and their copy.

    Args:
        backend: The online store.
        copy: The registry's, if it is a SQL one.
    """

    def __init__(self, backend: Backend, copy: "RegistryCopy | None") -> None:
        self._backend, self._copy = backend, copy

    def read(self) -> Mapping[str, str]:
        """What is switched off and why.

        Raises:
            StoreUnreachableError: if the online store does not answer, or lost its switches and the registry is silent.
            StoreMisusedError: if one of their files is damaged.
        """
        found = dict(self._backend.switches())
        if found.pop(KNOWN, None) is None and self._copy is not None:
            found = {**self._copy.read(), **found}
        return found

    def off(self, name: str, why: str) -> None:
        """Switch off, with a copy in the registry if that is well; else the next publish makes it."""
        self._backend.switch_off(name, why)
        if self._copy is not None:
            with suppress(StoreUnreachableError, StoreMisusedError):
                self._copy.note({name: why})

    def on(self, name: str) -> None:
        """Switch on again. What fails half-way leaves it off."""
        if self._copy is not None:
            self._copy.forget(name)
        self._backend.switch_on(name)

    def agree(self) -> None:
        """Note here and there what the other one knows."""
        here = dict(self._backend.switches())
        known = here.pop(KNOWN, None) is not None
        there = {} if self._copy is None else self._copy.read()
        for name in there.keys() - here.keys():
            self._backend.switch_off(name, there[name])
        if self._copy is not None and here.keys() - there.keys():
            self._copy.note({name: why for name, why in here.items() if name not in there})
        if not known:
            self._backend.switch_off(KNOWN, "every switch is known here")


def forget_published(connection: Connection, table: str) -> None:
    """Forget a table of the online store that is dropped with its view, in the transaction that deletes the view."""
    if inspect(connection).has_table(_TABLES.name):
        connection.execute(delete(_TABLES).where(_TABLES.c.name == table))


class RegistryCopy:
    """What Feast's SQL registry knows of the online store beside its own: the switches, and what was published there.

    Args:
        url: Address of the registry, as Feast has it.
        options: What Feast makes its engine with.
    """

    def __init__(self, url: str, options: Mapping[str, Any]) -> None:
        self._url, self._options = url, options
        self._engine: tuple[int, Engine] | None = None

    def read(self) -> dict[str, str]:
        """What is switched off and why; nothing in a registry that never noted anything.

        Raises:
            StoreUnreachableError: if the registry does not answer.
        """

        def found(connection: Connection) -> dict[str, str]:
            if not inspect(connection).has_table(_NOTES.name):
                return {}
            return {row.name: row.why for row in connection.execute(select(_NOTES))}

        return self._run(found) or {}

    def note(self, switches: Mapping[str, str]) -> None:
        """Keep what is switched off; where there is no registry, there is nothing to keep it in."""

        def keep(connection: Connection) -> None:
            _NOTES.create(connection, checkfirst=True)
            connection.execute(delete(_NOTES).where(_NOTES.c.name.in_([*switches])))
            connection.execute(insert(_NOTES), [{"name": name, "why": why} for name, why in switches.items()])

        self._run(keep)

    def forget(self, name: str) -> None:
        """Forget what is on again."""

        def drop(connection: Connection) -> None:
            if inspect(connection).has_table(_NOTES.name):
                connection.execute(delete(_NOTES).where(_NOTES.c.name == name))

        self._run(drop)

    def has_published(self, table: str) -> bool:
        """Whether rows of a table of the online store were ever published, empty as it may be by now.

        Raises:
            StoreUnreachableError: if the registry does not answer.
        """

        def noted(connection: Connection) -> bool:
            if not inspect(connection).has_table(_TABLES.name):
                return False
            return connection.execute(select(_TABLES).where(_TABLES.c.name == table)).first() is not None

        return bool(self._run(noted))

    def published(self) -> frozenset[str]:
        """The tables of the online store to which rows were ever published.

        Raises:
            StoreUnreachableError: if the registry does not answer.
        """

        def noted(connection: Connection) -> frozenset[str]:
            if not inspect(connection).has_table(_TABLES.name):
                return frozenset()
            return frozenset(connection.execute(select(_TABLES.c.name)).scalars())

        return self._run(noted) or frozenset()

    def note_published(self, table: str) -> None:
        """Keep that a table was published."""

        def keep(connection: Connection) -> None:
            _TABLES.create(connection, checkfirst=True)
            connection.execute(insert(_TABLES), {"name": table})

        if not self.has_published(table):
            self._run(keep)

    def _run(self, work: Callable[[Connection], T]) -> T | None:
        if self._engine is None or self._engine[0] != os.getpid():  # no connection may cross a fork.
            self._engine = os.getpid(), create_engine(self._url, **self._options)
        engine = self._engine[1]
        sqlite = engine.dialect.name == "sqlite"
        if sqlite and not Path(engine.url.database or "").is_file():
            return None
        try:
            with engine.begin() as connection:
                limit = (
                    f"PRAGMA busy_timeout = {_MILLISECONDS}" if sqlite else f"SET LOCAL lock_timeout = {_MILLISECONDS}"
                )
                connection.exec_driver_sql(limit)
                return work(connection)
        except SQLAlchemyError as error:
            why = str(error).partition("\n")[0]
            raise StoreUnreachableError(
                f"the registry, which knows what is switched off, does not answer: {why}"
            ) from None
