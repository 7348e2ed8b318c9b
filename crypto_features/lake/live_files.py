"""The files that live processes write side by side: each process of several its own, named by its shard."""

import re

_SHARD = re.compile(r"\.(\d+)-of-(\d+)\.")


def file_name(begin: str, shard: str, suffix: str) -> str:
    """The file of one process.

    Args:
        begin: What it is, such as a day.
        shard: Of several processes which one, such as `"2-of-3"`; `""` of a single one.
        suffix: How it ends, with its dot.

    >>> file_name("2024-01-01", "2-of-3", ".jsonl"), file_name("status", "", ".json")
    ('2024-01-01.2-of-3.jsonl', 'status.json')
    """
    return f"{begin}.{shard}{suffix}" if shard else f"{begin}{suffix}"


def parts_of(name: str) -> int:
    """Of how many processes the file is one's.

    >>> parts_of("live.2-of-3.lock"), parts_of("status.json")
    (3, 1)
    """
    found = _SHARD.search(name)
    return int(found[2]) if found else 1
