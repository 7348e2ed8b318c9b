"""Where operations are struck: prepared states to go back to, and what comes of one that nothing strikes."""

import shutil
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from tests.crash.beside import Server
from tests.crash.operations import OPERATIONS, Operation, State
from tests.crash.struck import CALLS, Ended, ForkServer, Point, points

END = Point("exit_group", 1, main=True, text="the end")
"""The point after the last call."""
STRIKES = {"killed": "signal=SIGKILL", "EIO": "error=EIO", "ENOSPC": "error=ENOSPC"}
"""What strace does to a call."""


@dataclass(frozen=True)
class Unharmed:
    """What comes of an operation that nothing strikes.

    Args:
        old: What a reader sees before it.
        new: What a reader sees after it.
        files: The files that are there then.
        points: Where it can be struck.
    """

    old: State
    new: State
    files: set[str]
    points: list[Point]


@dataclass
class Stage:
    """One data folder, and a server maybe, in which operations are tried again and again.

    Args:
        forks: Forks a child for each step.
        server: The server beside the folder.
    """

    forks: ForkServer
    server: Server
    _saved: dict[str, Path] = field(default_factory=dict)
    _unharmed: dict[str, Unharmed] = field(default_factory=dict)

    @property
    def scratch(self) -> Path:
        return self.forks.scratch

    @property
    def folder(self) -> Path:
        return self.scratch / "data"

    @property
    def log(self) -> Path:
        return self.scratch / "log"

    def prepare(self, name: str) -> Path:
        """Bring back the state before an operation; also where a copy of its folder is."""
        if name not in self._saved:
            before = OPERATIONS[name].after
            if before:
                self.prepare(before)
            else:
                self.refill(None)
                self.server.bring_back("")
            self.take(name, "prepare")
            saved = Path(mkdtemp(dir=self.scratch))
            shutil.copytree(self.folder, saved, dirs_exist_ok=True)
            self.server.save(name)
            self._saved[name] = saved
        self.refill(self._saved[name])
        self.server.bring_back(name)
        return self._saved[name]

    def refill(self, saved: Path | None) -> None:
        """Give the folder the content of another one, or none; it stays, as it may be a file system of its own."""
        self.folder.mkdir(exist_ok=True)
        for path in self.folder.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()
        if saved is not None:
            shutil.copytree(saved, self.folder, dirs_exist_ok=True)

    def take(self, name: str, step: str) -> Any:
        return self.forks.take(name, step, self.folder, self.server.environment)

    def act(self, name: str, *strace: str) -> Ended:
        return self.forks.act(name, self.folder, self.server.environment, "-o", str(self.log), *strace)

    def unharmed(self, name: str) -> Unharmed:
        """Record an operation, once."""
        if name not in self._unharmed:
            self.prepare(name)
            old = self.take(name, "look")
            for _ in range(2):  # the second time nothing is imported.
                self.prepare(name)
                ended = self.act(name, "-f", "-y", "-s", "0", "-e", f"trace={CALLS}")
                assert ended.code == 0, ended.said
            new, found = self.take(name, "look"), points(self.log, self.folder)
            assert new != old
            self._unharmed[name] = Unharmed(old, new, self.files(), [*found, END])
        return self._unharmed[name]

    def files(self) -> set[str]:
        """The names of all files; those of a log of SQLite come and go."""
        found = (str(path.relative_to(self.folder)) for path in self.folder.rglob("*") if path.is_file())
        return {name for name in found if not name.endswith(("-wal", "-shm"))}

    def struck(self, name: str, point: Point, injected: str) -> str | None:
        """What is wrong after a strike, and after the run that follows it; `None` if all is well."""
        self.unharmed(name)
        self.prepare(name)
        ended = self.strike(name, point, injected)
        if ended.code >= 0 and "(INJECTED)" not in self.log.read_text(errors="replace"):
            return "the call was not reached"
        return _said(ended) or self.wrong(name, finished=ended.code == 0)

    def strike(self, name: str, point: Point, injected: str) -> Ended:
        """How an operation ends that is struck at a point."""
        threads = () if point.main else ("-f",)
        where = f"inject={point.call}:{injected}:when={point.number}"
        return self.act(name, *threads, "-e", f"trace={CALLS},{END.call}", "-e", where)

    def wrong(self, name: str, *, finished: bool) -> str | None:
        """What is wrong with what a reader sees, and then with what the next run makes of it."""
        unharmed = self.unharmed(name)
        try:
            seen, mended = self.take(name, "mend")
        except RuntimeError as error:
            return str(error)
        found = _seen(OPERATIONS[name], unharmed, seen, finished=finished)
        if found is None and mended != unharmed.new:
            found = f"the next run leaves {mended}"
        if found is None and self.files() != unharmed.files:
            found = f"the next run leaves other files: {self.files() ^ unharmed.files}"
        return found


def _said(ended: Ended) -> str | None:
    """An error is one line."""
    lines = ended.said.splitlines()
    if ended.code == 1 and len(lines) == 1 and lines[0].startswith("Error: "):
        return None
    return None if ended.code == -9 or (ended.code == 0 and not lines) else f"it ended with {ended.code}: {ended.said}"


def _seen(operation: Operation, unharmed: Unharmed, seen: State, *, finished: bool) -> str | None:
    """Whether each part is old or new, and where they follow each other, the first ones are the new ones."""
    old, new = unharmed.old, unharmed.new
    changed = [part for part in new if old.get(part) != new[part]]
    if any(seen.get(part) not in (old.get(part), new.get(part)) for part in {*seen, *new}):
        return f"neither old nor new: {seen}"
    done = [seen.get(part) == new[part] for part in changed]
    if finished and any(seen.get(part) != new[part] for part in operation.owes or new):
        return f"it was acknowledged, and is not there: {seen}"
    if operation.ordered and done != sorted(done, reverse=True):
        return f"out of order: {dict(zip(changed, done, strict=True))}"
    return None
