"""The end of the generator's processes, in whatever order they come to it."""

import pytest

from loadtest.conductor.fleet import AnyFleet, FleetError


class Told(AnyFleet):
    """A fleet of which only the words are there."""

    def tell(self, order: object) -> None:
        raise NotImplementedError

    def pids(self) -> list[int]:
        return []

    def __exit__(self, *_: object) -> None:
        pass


def test_a_process_that_has_said_all_may_end_before_the_others() -> None:
    fleet = Told(2)
    for said in ((1, {"kind": "final"}), (1, None), (0, {"kind": "final"}), (0, None)):
        fleet.lines.put(said)
    assert [fleet.heard(0) for _ in range(4)] == [(1, {"kind": "final"}), None, (0, {"kind": "final"}), None]


def test_a_process_that_ends_before_is_missed() -> None:
    fleet = Told(2)
    fleet.lines.put((0, {"kind": "final"}))
    fleet.lines.put((1, None))
    fleet.heard(0)
    with pytest.raises(FleetError, match="process 1 of the generator ended by itself"):
        fleet.heard(0)


def test_a_process_that_cannot_go_on_says_why() -> None:
    fleet = Told(1)
    fleet.lines.put((0, {"kind": "error", "error": "no room"}))
    with pytest.raises(FleetError, match="no room"):
        fleet.collect("ready", 1)
