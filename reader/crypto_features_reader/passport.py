"""A model's passport: the features that it was trained on, each with its version, so that it is served no others.

A version has two parts. By its behaviour a value is another one: what behaves otherwise is refused. By its definition
it may be another one where no probe looks: that is a warning, as `crypto-features plan` compares such values.
"""

import json
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, Self

from crypto_features_reader.errors import PassportError, RedefinedWarning, UnknownNameError
from crypto_features_reader.refs import unversioned

TRAIN_AGAIN = "Train the model again on a new set"


@dataclass(frozen=True)
class Trained:
    """A feature as a model was trained on it.

    Args:
        ref: The feature, such as `price_features:rsi_14`, or `price_features@v0:rsi_14` where a version was pinned.
        behaviour: The fingerprint of its values on the probe market.
        definition: The digest of its definition and of all that it is computed from; empty if it is not known.
    """

    ref: str
    behaviour: str
    definition: str = ""

    @property
    def name(self) -> str:
        """The feature without a version."""
        return unversioned(self.ref)


@dataclass(frozen=True)
class Passport:
    """What a model was trained on.

    Args:
        project: The project whose features they are read as.
        features: Each feature, in the order in which the model takes them.
        manifest: The digest of the training set, if it has one.
    """

    project: str
    features: tuple[Trained, ...]
    manifest: str = ""

    @property
    def refs(self) -> list[str]:
        """The features, as `get_online_features` takes them."""
        return [one.ref for one in self.features]

    @classmethod
    def of(cls, content: Mapping[str, Any]) -> Self:
        """The passport of what `content` gave.

        Raises:
            PassportError: if it is not one.
        """
        try:
            features = tuple(
                Trained(ref, version["behaviour"], version.get("definition", ""))
                for ref, version in content["features"].items()
            )
            passport = cls(content["project"], features, content.get("manifest", ""))
            texts = [passport.project, passport.manifest, *(t for f in features for t in (f.behaviour, f.definition))]
            if not all(isinstance(text, str) for text in texts):
                raise TypeError("a version that is not a text")  # noqa: TRY301 - the same error as any other form.
        except (KeyError, TypeError, AttributeError) as error:
            raise PassportError(f"not the passport of a model: {error!r}. Expected what its write() gave.") from None
        return passport

    @property
    def content(self) -> dict[str, Any]:
        """The passport as JSON has it."""
        versions = {one.ref: {"behaviour": one.behaviour, "definition": one.definition} for one in self.features}
        return {"project": self.project, "manifest": self.manifest, "features": versions}

    @classmethod
    def read(cls, path: Any) -> Self:
        """The passport that was kept in a file of this machine.

        Raises:
            PassportError: if the file is not one.
        """
        try:
            with open(path, encoding="utf-8") as file:  # noqa: PTH123 - pathlib costs a bot a tenth of its start.
                content = json.load(file)
        except (OSError, ValueError) as error:
            raise PassportError(f"{path} is not a passport of a model: {error}.") from None
        return cls.of(content)


class Versions(Protocol):
    """What is known of the features of a project."""

    @property
    def project(self) -> str:
        """Its name."""

    def registered(self, ref: str) -> Trained:
        """A feature as it is registered."""

    def former(self, one: Trained) -> int | None:
        """The newest version of a feature's view in which it behaved so."""

    def kept_up(self, one: Trained) -> str | None:
        """The feature in the newest version of its view in which it behaves so and that a group still computes."""


def permitted(versions: Versions, passport: Passport, refs: Sequence[str]) -> list[str]:
    """The references by which a model is served what it was trained on.

    A feature whose view computes it otherwise by now is read from the version that the model was trained on, where a
    declared group still computes that one.

    Raises:
        PassportError: naming each feature that is published in another version, or that the model was not trained on.
    """
    if passport.project != versions.project:
        raise PassportError(
            f"the passport is one of the project {passport.project}, and {versions.project} is read here: its features "
            f"of these names are others. Read from the project {passport.project}, or train on a set of "
            f"{versions.project}."
        )
    trained = {one.name: one for one in passport.features}
    found, other, redefined = [], [], []
    for ref in refs:
        name = unversioned(ref)
        if name not in trained:
            wrong = UnknownNameError("feature", name, trained)
            raise PassportError(f"the model was not trained on {ref}: {wrong}.")
        one, now = trained[name], versions.registered(ref)
        if one.behaviour == now.behaviour:
            found.append(ref)
            redefined += [ref] if "" != one.definition != now.definition != "" else []
        elif (kept := versions.kept_up(one)) is not None:
            found.append(kept)
        else:
            other.append(_difference(versions, one, now))
    if other:
        raise PassportError(
            f"the model was trained on other versions than are published: {'; '.join(other)}. {TRAIN_AGAIN}, or "
            "declare the former definition as a group of its own beside the new one, which keeps its version published "
            "(docs/store.md, Passports)."
        )
    if redefined:
        warnings.warn(
            f"{', '.join(redefined)}: defined otherwise than when the model was trained, and the same on the probe "
            "market. `crypto-features plan` compares their values on the lake's own rows.",
            RedefinedWarning,
            stacklevel=2,
        )
    return found


def _difference(versions: Versions, one: Trained, now: Trained) -> str:
    view, _, feature = one.name.partition(":")
    old = versions.former(one)
    said = f"{now.ref} (trained on {one.behaviour}, published {now.behaviour or 'without a version'})"
    until = "which is served until its rows expire"
    return said if old is None else f"{said}, of which {view}@v{old}:{feature} is the former, {until}"
