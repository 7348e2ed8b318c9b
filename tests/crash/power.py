"""Power cuts by replay: which folders a recorded operation may leave if only what it synced is certain.

A file system keeps the order of nothing but this: what was written to a file is on the disk once `fsync` of that file
returned, and a name once `fsync` of its folder did. Each other change may be lost, alone or with any others, and half
of the last write, too (Pillai et al., All File Systems Are Not Created Equal, OSDI 2014).
"""

import os
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

CALLS = (
    "openat,close,lseek,write,pwrite64,ftruncate,rename,renameat,renameat2,link,linkat,unlink,unlinkat,mkdir,mkdirat,"
    "rmdir,fsync,fdatasync"
)
RECORD = ("-y", "-xx", "-s", "100000000", "-e", f"trace={CALLS}")
"""How strace is to record."""
_NEVER = 1 << 60
_LINE = re.compile(r"^(?:\d+ +)?(\w+)\((.*)\) += (\d+)(?:<.*>)?$")
_TEXT = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')
_DESCRIPTOR = re.compile(r"^(\d+)<((?:\\x[0-9a-f]{2})*)>")


@dataclass
class Change:
    """Something that was done to the disk.

    Args:
        by: The files or folders, by number, whose `fsync` makes it certain: all of them are asked.
        file: The file whose content it changes; `None` for a change of names.
        names: What each changed name leads to afterwards; `None` for nothing.
        offset: Where it writes; with no data, the size to which it cuts.
        data: What it writes.
        certain: The moment of the sync after which nothing undoes it.
    """

    by: set[int]
    file: int | None = None
    names: dict[str, int | None] = field(default_factory=dict)
    offset: int = 0
    data: bytes | None = None
    certain: int = _NEVER


@dataclass(frozen=True)
class Cut:
    """A power cut.

    Args:
        moment: How many changes and syncs came before it.
        kept: Which of the changes are on the disk.
        torn: Whether the last of them is a write of which half is.
    """

    moment: int
    kept: tuple[int, ...]
    torn: bool


class Recording:
    """What a log of strace, of one thread, says was changed below a folder.

    Args:
        log: The log.
        folder: The folder.
        before: A copy of the folder as it was.
    """

    def __init__(self, log: Path, folder: Path, before: Path) -> None:
        self._folder = str(folder)
        self._content: list[bytes | None] = [None]
        """What each file began with, by number; of a folder `None`."""
        self._names: dict[str, int] = {"": 0}
        for path in sorted(before.rglob("*")):
            self._names[str(path.relative_to(before))] = self._new(None if path.is_dir() else path.read_bytes())
        self._start = dict(self._names)
        self._opened: dict[str, tuple[int, int]] = {}
        """By descriptor, the file and where in it the next write goes."""
        self.changes: list[Change | None] = []
        """In order; `None` is a sync."""
        for line in log.read_text(errors="surrogateescape").splitlines():
            match = _LINE.match(line)
            if match is not None:
                self._follow(match[1], match[2], int(match[3]))

    def _new(self, content: bytes | None) -> int:
        self._content.append(content)
        return len(self._content) - 1

    def _relative(self, text: str) -> str | None:
        path = os.fsdecode(bytes.fromhex(text.replace("\\x", "")))
        if path == self._folder:
            return ""
        return path.removeprefix(f"{self._folder}/") if path.startswith(f"{self._folder}/") else None

    def _name(self, names: dict[str, int | None]) -> None:
        self.changes.append(Change({self._names[_folder_of(name)] for name in names}, names=names))
        self._names = {name: number for name, number in {**self._names, **names}.items() if number is not None}

    def _follow(self, call: str, arguments: str, returned: int) -> None:
        texts = [match[1] for match in _TEXT.finditer(arguments)]
        if call == "openat":
            self._open(self._relative(texts[0]), arguments, str(returned))
            return
        descriptor = _DESCRIPTOR.match(arguments)
        if call == "close":
            self._opened.pop(descriptor[1] if descriptor else "", None)
        elif descriptor is not None and call not in ("unlinkat", "mkdirat", "renameat", "renameat2", "linkat"):
            if self._relative(descriptor[2].removesuffix(_DELETED)) is not None:
                self._content_of(call, descriptor[1], texts, arguments, returned)
        else:
            names = [name for text in texts if (name := self._relative(text)) is not None]
            if names:
                self._names_of(call, names)

    def _open(self, name: str | None, arguments: str, descriptor: str) -> None:
        self._opened.pop(descriptor, None)
        if name is None:
            return
        if name not in self._names:
            self._name({name: self._new(b"")})
        file = self._names[name]
        self._opened[descriptor] = (file, 0)
        if "O_TRUNC" in arguments:
            self.changes.append(Change({file}, file, offset=0))

    def _content_of(self, call: str, descriptor: str, texts: list[str], arguments: str, returned: int) -> None:
        file, place = self._opened[descriptor]
        data = bytes.fromhex(texts[0].replace("\\x", ""))[:returned] if texts else b""
        last = arguments.rpartition(", ")[2]
        if call == "lseek":
            self._opened[descriptor] = (file, returned)
        elif call == "write":
            self.changes.append(Change({file}, file, offset=place, data=data))
            self._opened[descriptor] = (file, place + returned)
        elif call == "pwrite64":
            self.changes.append(Change({file}, file, offset=int(last), data=data))
        elif call == "ftruncate":
            self.changes.append(Change({file}, file, offset=int(last)))
        else:
            self._sync(file)

    def _names_of(self, call: str, names: list[str]) -> None:
        if call.startswith("mkdir"):
            self._name({names[0]: self._new(None)})
        elif call.startswith("rename"):
            self._name({names[0]: None, names[1]: self._names[names[0]]})
        elif call.startswith("link"):
            self._name({names[1]: self._names[names[0]]})
        else:
            self._name({names[0]: None})

    def _sync(self, number: int) -> None:
        for change in self.changes:
            if change is not None and change.certain == _NEVER:
                change.by.discard(number)
                if not change.by:
                    change.certain = len(self.changes)
        self.changes.append(None)

    def cuts(self, seed: int) -> Iterator[Cut]:
        """Cuts at every moment: of what was not certain then, nothing was kept, all, one, all but one, or any; a last
        write whole and torn.
        """
        dice, given = random.Random(seed), set[Cut]()
        for moment in range(len(self.changes) + 1):
            past = [(n, change) for n, change in enumerate(self.changes[:moment]) if change is not None]
            certain = [n for n, change in past if change.certain < moment]
            loose = [n for n, change in past if change.certain >= moment]
            picks = [[], loose, *([n] for n in loose), *([m for m in loose if m != n] for n in loose)]
            picks += [[n for n in loose if dice.random() < 0.5] for _ in range(4)]
            for pick in picks:
                kept = tuple(sorted([*certain, *pick]))
                writes = bool(pick) and getattr(self.changes[pick[-1]], "data", None) is not None
                for torn in (False, True) if writes and kept[-1] == pick[-1] else (False,):
                    cut = Cut(moment, kept, torn)
                    if cut not in given:
                        given.add(cut)
                        yield cut

    def build(self, cut: Cut, to: Path) -> None:
        """Fill an empty folder with what is found after a cut."""
        names = dict(self._start)
        content = list(self._content)
        for n in cut.kept:
            change = self.changes[n]
            assert change is not None
            for name, number in change.names.items():
                if number is None:
                    names.pop(name, None)
                else:
                    names[name] = number
            if change.file is not None:
                held = content[change.file] or b""
                if change.data is None:
                    content[change.file] = held[: change.offset].ljust(change.offset, b"\0")
                else:
                    data = change.data[: len(change.data) // 2] if cut.torn and n == cut.kept[-1] else change.data
                    end = change.offset + len(data)
                    content[change.file] = held.ljust(change.offset, b"\0")[: change.offset] + data + held[end:]
        for name in sorted(names):
            if not name or not (to / name).parent.is_dir() or name.endswith("-shm"):
                continue  # what its folder was lost with is gone; the memory that readers share is made anew.
            found = content[names[name]]
            if found is None:
                (to / name).mkdir()
            else:
                (to / name).write_bytes(found)


def _folder_of(name: str) -> str:
    return name.rpartition("/")[0]


_DELETED = "".join(f"\\x{byte:02x}" for byte in b" (deleted)")
