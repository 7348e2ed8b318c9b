"""Killed, refused by the disk or without power at any moment: what is found is the old or the new, and whole.

What was acknowledged is there, an error is one line, and the next run repairs the rest and leaves no file over.
"""

import random
from collections.abc import Callable, Iterable

import pytest

from tests.crash.operations import OPERATIONS
from tests.crash.power import RECORD, Cut, Recording
from tests.crash.stage import END, STRIKES, Stage

pytestmark = [pytest.mark.proof, pytest.mark.timeout(7200)]


def struck(stage: Stage, name: str, strike: str, most: int) -> list[str]:
    """What is wrong after each of a seeded sample of strikes; the last point is none for an error."""
    points = [point for point in stage.unharmed(name).points if point != END or strike == "killed"]
    chosen = random.Random(f"{name} {strike}").sample(points, min(most, len(points)))
    told = (
        (f"{point.call} {point.number} ({point.text})", stage.struck(name, point, STRIKES[strike])) for point in chosen
    )
    return reported(f"{name}, {strike}", len(points), told)


def reported(what: str, of: int, told: Iterable[tuple[object, str | None]]) -> list[str]:
    """The faults, which are also printed as they are found."""
    tried, found = 0, []
    for where, why in told:
        tried += 1
        if why is not None:
            found.append(f"{where}: {why}")
            print(found[-1], flush=True)
    print(f"{what}: {tried} of {of} points, {len(found)} faults", flush=True)
    return found


@pytest.mark.parametrize("strike", STRIKES)
@pytest.mark.parametrize("name", [name for name in OPERATIONS if name != "tables"])
def test_struck_at_any_system_call_it_is_old_or_new_and_the_next_run_repairs(
    stage: Stage, name: str, strike: str, count: Callable[..., int]
) -> None:
    assert struck(stage, name, strike, count(ci=1, proof=1000)) == []


@pytest.mark.parametrize("strike", STRIKES)
@pytest.mark.parametrize("kind", ["valkey", "postgres"])
def test_a_publish_to_a_server_is_old_or_new_and_the_next_one_repairs(
    kind: str, strike: str, request: pytest.FixtureRequest, count: Callable[..., int]
) -> None:
    stage: Stage = request.getfixturevalue(f"{kind}_stage")
    assert struck(stage, "publish", strike, count(ci=1, proof=1000)) == []


@pytest.mark.parametrize("name", ["partition", "publish", "disable", "first switch", "switch", "apply"])
def test_a_power_cut_leaves_the_old_or_the_new_and_what_was_acknowledged(
    stage: Stage, name: str, count: Callable[..., int]
) -> None:
    stage.unharmed(name)
    before = stage.prepare(name)
    ended = stage.act(name, *RECORD)
    assert ended.code == 0, ended.said
    recording = Recording(stage.log, stage.folder, before)
    cuts = list(recording.cuts(seed=1))
    last = [cut for cut in cuts if cut.moment == len(recording.changes)]
    chosen = [last[0], *random.Random(name).sample(cuts, min(count(ci=2, proof=150), len(cuts)))]

    def found_after(cut: Cut) -> str | None:
        stage.refill(None)
        recording.build(cut, stage.folder)
        return stage.wrong(name, finished=cut in last)

    assert reported(f"{name}, without power", len(cuts), ((cut, found_after(cut)) for cut in chosen)) == []
