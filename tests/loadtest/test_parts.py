"""The parts of the benchmark beside the search: their order, what they compare, and members that do not read."""

import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from loadtest.bench.capacity import SPARE, most_members
from loadtest.bench.quiet import worth_repeating
from loadtest.bench.results import Bench, Row
from loadtest.bench.rig import Options, Rig, started
from loadtest.bench.sleeper import Sleeper, resumed
from loadtest.bench.stalled import differs
from loadtest.bench.turns import in_turns
from loadtest.generator import GeneratorError
from loadtest.ledger import Ledger
from loadtest.plan import SHAPES, Shape
from loadtest.targets import TARGETS
from tests.loadtest.test_results import step

ENTRIES = [{"offset": offset, "text": f"{offset}"} for offset in range(3, 8)]


def test_everybody_has_a_turn_before_anybody_has_another_and_nobody_always_comes_first() -> None:
    turns = in_turns(["a", "b", "c"], 3)
    assert [name for _, name in turns] == ["a", "b", "c", "b", "c", "a", "c", "a", "b"]
    assert [turn for turn, _ in turns] == [0, 0, 0, 1, 1, 1, 2, 2, 2]


def test_baselines_that_are_far_from_the_best_one_are_not_repeated() -> None:
    names = ["fastapi-tutorial", "flask-tutorial", "node-ws", "async"]
    assert worth_repeating(names, Bench("now", {})) == names
    p99s = {"fastapi-tutorial": 0.06, "flask-tutorial": 0.014, "node-ws": 0.01, "async": 0.09}
    rows = [
        Row(name, "title", "tandem" if name == "async" else "baseline", SHAPES["one-500"], [step(50, p99=p99)])
        for name, p99 in p99s.items()
    ]
    assert worth_repeating(names, Bench("now", {}, rows)) == ["flask-tutorial", "node-ws", "async"]


@pytest.mark.parametrize(
    ("had", "fault"),
    [
        (ENTRIES, None),
        (ENTRIES[:2] + ENTRIES[3:], ("lost", 1, "offset 5 by one that resumed")),
        ([], ("lost", 5, "offset 3 by one that resumed")),
        ([*ENTRIES[:2], *ENTRIES[1:]], ("duplicated", 1, "by one that resumed")),
        (ENTRIES[::-1], ("reordered", 1, "for one that resumed")),
        (
            [*ENTRIES[:4], {"offset": 7, "text": "else"}],
            ("corrupt", 1, "an entry reached one that resumed differently from others"),
        ),
    ],
    ids=["same", "gap", "nothing", "twice", "backwards", "altered"],
)
def test_what_somebody_had_is_compared_with_what_was_said(
    had: list[dict[str, object]], fault: tuple[str, int, str] | None
) -> None:
    assert differs(had, ENTRIES) == fault


def test_the_machine_may_allow_fewer_members_than_are_wanted() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(900, hard), hard))
    try:
        most, limit = most_members(10_000, threaded=False)
        assert (most, limit) == (900 - SPARE, "RLIMIT_NOFILE 900")
        assert most_members(500, threaded=False) == (500, "")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    work: Path = tmp_path_factory.mktemp("work")
    with started(TARGETS["async"], 20, Options(0.5, 1, 1, work, None, None)) as rig:
        yield rig


def test_a_member_that_does_not_read_has_everything_once_it_reads_and_resumes(rig: Rig) -> None:
    shape = Shape("small", "one room of 5", 1, 5, 5)
    with rig.generator(shape, "asleep", Ledger(1.0)) as generator:
        rig.enter(generator)
        sleeper = Sleeper(rig.address, generator.room(0), rig.headers())
        taken = rig.step(generator, 400, 0.5, 1, "a")
        rest = rig.step(generator, 400, 0.5, 1, "b") if generator.entries(0) else None
        assert taken.whole
        assert rest is not None
        assert rest.whole
        said = generator.entries(0)
        assert len(said) == rest.sent
        had = sleeper.read_rest(said[0]["offset"] + 1)
        sleeper.close()
        assert [one["offset"] for one in had] == list(range(1, said[0]["offset"] + 2))
        missed = resumed(rig.address, generator.room(0), rig.headers(), sleeper.position)
        assert differs(had[-2:] + missed, said) is None
        gone = sleeper.position | {"epoch": "0" * 16}
        with pytest.raises(GeneratorError, match="recovered is false"):
            resumed(rig.address, generator.room(0), rig.headers(), gone)
    assert rig.metric("chat_slow_consumers_total") == 0


def test_a_sleeper_that_is_not_let_in_says_why(rig: Rig) -> None:
    with pytest.raises(GeneratorError, match=r"refused: HTTP/1\.1 401"):
        Sleeper(rig.address, "asleep", {})
