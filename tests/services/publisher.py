"""A process that publishes whole cross-sections forever, to be killed: `python publisher.py URL SYMBOLS`."""

import sys
from itertools import count

from crypto_features.store.online.backend import StoredRow
from crypto_features.store.online.connect import connect


def cross_section(event: int, symbols: int) -> list[StoredRow]:
    """A row for each symbol, all with the same event time and the same payload."""
    return [StoredRow(f"S{n:04}".encode(), event, 0, str(event).encode() * 20) for n in range(symbols)]


if __name__ == "__main__":
    backend = connect(sys.argv[1])
    first = max((row.event for row in backend.scan("t")), default=0)
    for event in count(first + 1):
        backend.write("t", cross_section(event, int(sys.argv[2])))
        print(event, flush=True)
