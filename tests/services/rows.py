"""Guarded rows and reading them, as the tests of the databases need them."""

from crypto_features.store.online.backend import Backend, StoredRow


def row(event: int, created: int = 0, payload: bytes = b"", key: bytes = b"BTC") -> StoredRow:
    return StoredRow(key, event, created, payload or f"{event}/{created}".encode())


def read(backend: Backend, table: str = "t", *keys: bytes) -> dict[bytes, StoredRow]:
    return backend.read({table: keys or [b"BTC"]})[table]
