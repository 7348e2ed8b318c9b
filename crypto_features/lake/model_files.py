"""The files of a fitted model: JSON for a person, with a checksum, and beside it a `.npy` file for each array."""

import json

from upath import UPath

from crypto_features.errors import InputError
from crypto_features.sealed_json import sealed, unsealed
from crypto_features.tables.array_bytes import as_text, digest_of, from_text
from crypto_features.tables.artefact import ARRAYS, as_json, opened
from crypto_features.whole_file import whole_file


def read_model(path: UPath, folder: UPath, month: str) -> str:
    """The artefact of a JSON file, with its arrays.

    Raises:
        InputError: if a file is not there, or they are not whole.
    """
    again = f"materialize {folder.name!r} for {month} again."
    if path.parent != folder:
        again = (
            "restore a copy, or delete it: what was known while this model was in force is computed from those that "
            "are left, then."
        )
    try:
        text = _with_arrays(path, folder, month)
        opened(text)
    except OSError as error:
        raise InputError(
            f"the model {error.filename or path} cannot be read ({error.strerror or error}); {again}"
        ) from None
    except (UnicodeDecodeError, InputError) as error:
        raise InputError(f"{path} is not a whole model ({error}); {again}") from None
    return text


def write_model(path: UPath, folder: UPath, month: str, text: str) -> None:
    """Write the artefact of a month: its arrays first, each under the digest of its content, and then the JSON that
    names them, which publishes all of it in one step.

    A writer that is killed in between leaves arrays that no JSON names, and another run of the same fit takes them.
    """
    content = json.loads(text)
    files = {name: from_text(part) for name, part in content.get(ARRAYS, {}).items()}
    for name, file in files.items():
        with whole_file(array_path(folder, month, name, digest_of(file))) as array:
            array.write(file)
    if files:
        content[ARRAYS] = {name: digest_of(file) for name, file in files.items()}
    with whole_file(path) as file_of_month:
        file_of_month.write(sealed(content, indent=1).encode())


def array_path(folder: UPath, month: str, name: str, digest: str) -> UPath:
    """Where an array of a model is kept, beside the JSON of its month."""
    return folder / f"{month}.{name}.{digest}.npy"


def _with_arrays(path: UPath, folder: UPath, month: str) -> str:
    """The artefact with the content of the arrays that the JSON names by their digests."""
    text = path.read_text(encoding="utf-8")
    try:
        content = unsealed(text)
        digests: dict[str, str] = content.get(ARRAYS, {})
        named = all(name.isidentifier() and digest.isalnum() for name, digest in digests.items())
    except (ValueError, AttributeError) as error:
        raise InputError(f"not a fitted model: {error}") from None
    if not named:
        raise InputError(f"its arrays are {digests!r}; expected a digest for each name")
    if digests:
        content[ARRAYS] = {
            name: as_text(array_path(folder, month, name, digest).read_bytes()) for name, digest in digests.items()
        }
    return as_json(content)
