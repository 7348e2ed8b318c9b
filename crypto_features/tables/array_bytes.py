"""Arrays of a fitted model as the bytes of `.npy` files, without pickle."""

import base64
import hashlib
from io import BytesIO
from typing import Any

import numpy as np
import numpy.typing as npt

from crypto_features.errors import InputError


def bytes_of(name: str, array: npt.NDArray[Any]) -> bytes:
    """The content of the array's `.npy` file: little-endian, in C order, so equal arrays have equal bytes.

    Raises:
        InputError: if the name cannot be a part of a file's name, or the array holds Python objects.
    """
    if not name.isidentifier():
        raise InputError(f"{name!r} cannot name an array of a model: its file is named so; use letters, digits and _.")
    if array.dtype.hasobject:
        raise InputError(
            f"the array {name!r} holds Python objects, which only a pickle keeps; give numbers, truths or texts."
        )
    file = BytesIO()
    np.save(file, np.asarray(array, array.dtype.newbyteorder("<"), order="C"), allow_pickle=False)
    return file.getvalue()


def array_of(file: bytes) -> npt.NDArray[Any]:
    """The array of a `.npy` file's content; it cannot be written to.

    Raises:
        InputError: if it is not the content of such a file.
    """
    try:
        array: npt.NDArray[Any] = np.load(BytesIO(file), allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise InputError(f"an array of the model is not a .npy file: {error}; materialize the model again.") from None
    array.setflags(write=False)
    return array


def digest_of(file: bytes) -> str:
    """Digest of a file's content."""
    return hashlib.blake2b(file, digest_size=8).hexdigest()


def as_text(file: bytes) -> str:
    """Bytes as a text."""
    return base64.b64encode(file).decode()


def from_text(text: str) -> bytes:
    """The bytes of a text by `as_text`.

    Raises:
        ValueError: if it is not one.
    """
    return base64.b64decode(text, validate=True)
