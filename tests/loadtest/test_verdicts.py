import json
import math
from pathlib import Path

import pytest

from loadtest.bench.matrix import side_by_side
from loadtest.bench.reach import MANY
from loadtest.bench.report import render, save
from loadtest.bench.results import Bench, Reach, Repeats, Row, Stall, StallRun
from loadtest.bench.stalled import OUTBOX, ROOM
from loadtest.bench.verdicts import Verdict, alike, judge
from loadtest.plan import SHAPES
from tests.loadtest.test_results import step

KINDS = {"async": "tandem", "sync": "tandem", "null": "null"}


def row(target: str, rate: float, shape: str = "one-500", p50: float = 0.005) -> Row:
    steps = [step(50, p99=2 * p50), step(rate), step(2 * rate, p99=0.5)]
    return Row(target, "title", KINDS.get(target, "baseline"), SHAPES[shape], steps, held_rate=rate)


def repeats(target: str, *p99s: float) -> Repeats:
    steps = [step(50, p99=p99) for p99 in p99s]
    return Repeats(target, "title", KINDS.get(target, "baseline"), SHAPES["one-500"], steps)


def reach(longest: float, members: int = 10_000, settled: bool = True) -> Reach:
    shape = MANY if members == MANY.members else SHAPES["one-5000"]
    found = Reach("sync", "title", "tandem", shape, [step(1, longest=longest, settled=settled)], wanted=10_000)
    found.limit = "" if members == found.wanted else "RLIMIT_NOFILE 5,128"
    return found


def stall(without: list[float], beside: list[float], **changes: int) -> Stall:
    fate = {"memory": 30 * 2**20, "closed": 25, "resumed": 25, "queued": 25 * OUTBOX} | changes
    runs = [StallRun(0, step(1600, p99=p99), 8 * 2**20) for p99 in without]
    runs += [StallRun(25, step(1600, p99=p99), **fate) for p99 in beside]
    return Stall("async", "title", "tandem", ROOM, runs=runs)


def outcomes(bench: Bench) -> dict[str, str]:
    return {verdict.bound: verdict.outcome for verdict in judge(bench)}


def only(bench: Bench, words: str) -> Verdict:
    (found,) = [verdict for verdict in judge(bench) if words in verdict.bound]
    return found


def test_what_was_not_measured_is_not_judged() -> None:
    assert judge(Bench("now", {})) == []
    assert list(outcomes(Bench("now", {}, [row("async", 2000)]))) == [
        "async: closes nobody who reads, at any rate",
        "Ledger: nothing lost, doubled, out of order, altered or unanswered",
    ]


def test_who_was_closed_is_a_miss_in_whatever_row() -> None:
    bench = Bench("now", {}, [row("async", 2000), row("sync", 2000, "1to1"), row("node-ws", 2000)])
    for found in bench.found[1:]:
        found.faults.note("disconnected", 2, "1009")
    closed = {bound: outcome for bound, outcome in outcomes(bench).items() if "closes nobody" in bound}
    assert closed == {
        "async: closes nobody who reads, at any rate": "held",
        "sync: closes nobody who reads, at any rate": "MISSED",
    }


@pytest.mark.parametrize(("rate", "outcome"), [(2100, "held"), (1900, "MISSED")])
def test_ratio_to_the_tutorial(rate: float, outcome: str) -> None:
    bench = Bench("now", {}, [row("fastapi-tutorial", 50), row("async", rate), row("node-ws", 160)])
    assert only(bench, "async ≥ 40 × fastapi-tutorial").outcome == outcome
    assert only(bench, "async ≥ 12 × node-ws").outcome == ("held" if rate > 12 * 160 else "MISSED")


def test_those_of_which_a_ratio_is_promised_are_measured_side_by_side() -> None:
    targets = ("fastapi-tutorial", "async-portable", "async", "null")
    assert list(side_by_side("one-500", targets)) == [["fastapi-tutorial", "async", "null"], ["async-portable"]]
    assert list(side_by_side("1to1", targets)) == [[target] for target in targets]


def test_a_baseline_that_the_generator_limited_makes_an_upper_bound() -> None:
    limited = row("node-ws", 100)
    limited.steps[-1] = step(200, p99=0.5, generator_busy=0.99)
    bench = Bench("now", {}, [limited, row("sync", 2000)])
    assert only(bench, "node-ws").measured == "≤ 20.0 ×"


@pytest.mark.parametrize(("ceiling", "outcome"), [(2000, "no room"), (2400, "MISSED")])
def test_a_bound_beyond_what_the_machine_allows_is_no_miss(ceiling: float, outcome: str) -> None:
    bench = Bench("now", {}, [row("fastapi-tutorial", 50), row("async", 1800), row("null", ceiling)])
    found = only(bench, "async ≥ 40 × fastapi-tutorial")
    assert (found.outcome, found.measured) == (outcome, f"36.0 ×; null: {ceiling / 50:.1f} ×")


def test_a_tutorial_that_holds_nothing_is_surpassed_by_any_rate() -> None:
    nothing = Row("fastapi-tutorial", "title", "baseline", SHAPES["200x5"], [step(50, p99=0.5)])
    assert only(Bench("now", {}, [nothing, row("async", 50, "200x5")]), "≥ 0.6").held
    bad = Row("async", "title", "tandem", SHAPES["200x5"], [step(50, p99=0.5)])
    assert not only(Bench("now", {}, [nothing, bad]), "≥ 0.6").held


def test_an_aim_that_is_not_reached_is_no_miss() -> None:
    bench = Bench("now", {}, [row("null", 10_000), row("sync", 1000)])
    assert only(bench, "null").outcome == "not reached"
    assert "| not reached |" in render(bench)
    assert not bench.failed


@pytest.mark.parametrize(("p50", "outcome"), [(0.0039, "held"), (0.0041, "MISSED")])
def test_one_to_one(p50: float, outcome: str) -> None:
    bench = Bench("now", {}, [row("fastapi-tutorial", 900, "1to1", 0.002), row("sync", 900, "1to1", p50)])
    assert only(bench, "within 2.0 ms").outcome == outcome


@pytest.mark.parametrize(
    ("ours", "outcome"),
    [
        ((0.011, 0.012, 0.013), "held"),  # better
        ((0.013, 0.016, 0.019), "held"),  # the best baseline is as near as one repeat to another
        ((0.0145, 0.016, 0.019), "MISSED"),
    ],
)
def test_quiet_is_compared_with_the_best_baseline(ours: tuple[float, ...], outcome: str) -> None:
    bench = Bench("now", {})
    bench.repeats = [repeats("flask-tutorial", 0.03), repeats("node-ws", 0.01, 0.014, 0.3), repeats("async", *ours)]
    found = only(bench, "p99 of async no worse than node-ws's")
    assert found.outcome == outcome
    assert "14.0 ms (10.0 ms to 300.0 ms)" in found.measured


def test_everybody_is_reached_in_time() -> None:
    found = Bench("now", {}, reaches=[reach(0.2)])
    assert only(found, "10,000 members of sync").held
    assert only(found, "10,000 members of sync").measured == "10,000 members, 200.0 ms, nobody lost"
    assert not only(Bench("now", {}, reaches=[reach(3.1)]), "10,000 members").held
    assert not only(Bench("now", {}, reaches=[reach(0.2, settled=False)]), "10,000 members").held


def test_fewer_members_than_wanted_are_said_plainly_and_are_a_miss() -> None:
    found = Bench("now", {}, reaches=[reach(0.2, members=5000)])
    assert only(found, "10,000 members").measured == "5,000 members (RLIMIT_NOFILE 5,128), 200.0 ms, nobody lost"
    assert not only(found, "10,000 members").held
    assert "| RLIMIT_NOFILE 5,128 |" in render(found)


def test_others_beside_stalled_members() -> None:
    held = {"held"}
    assert set(outcomes(Bench("now", {}, stalls=[stall([0.02, 0.021], [0.022, 0.023])])).values()) == held
    slower = Bench("now", {}, stalls=[stall([0.02, 0.021], [0.024, 0.025])])
    assert only(slower, "the others' p99").outcome == "MISSED"
    kept = Bench("now", {}, stalls=[stall([0.02], [0.02], closed=24)])
    assert only(kept, "closed as slow").measured == "24 of 25"
    assert not only(kept, "closed as slow").held
    assert not only(Bench("now", {}, stalls=[stall([0.02], [0.02], resumed=24)]), "resume without loss").held


def test_memory_of_stalled_members_is_bounded_beyond_what_the_posts_take() -> None:
    assert only(Bench("now", {}, stalls=[stall([0.02], [0.02], memory=39 * 2**20)]), "memory").held
    over = only(Bench("now", {}, stalls=[stall([0.02], [0.02], memory=40 * 2**20)]), "memory")
    assert (over.held, over.measured) == (False, "32.0 MiB of 25.0 MiB")


def test_alike() -> None:
    assert alike([0.0109], [0.01])
    assert not alike([0.0111], [0.01])
    assert alike([0.012], [0.01, 0.01, 0.013])


def test_what_is_broken_in_any_part_fails_the_run() -> None:
    broken = stall([0.02], [0.02])
    broken.faults.note("lost", 1, "offset 7 by one that resumed")
    bench = Bench("now", {}, stalls=[broken])
    assert bench.failed
    assert not only(bench, "Ledger").held
    assert "async BROKEN" in render(bench)


def test_json_holds_the_verdicts_and_no_number_that_is_none(tmp_path: Path) -> None:
    bench = Bench("now", {}, [row("fastapi-tutorial", 50), row("async", 2100)], reaches=[reach(math.nan)])
    save(bench, tmp_path / "found.json")
    saved = json.loads((tmp_path / "found.json").read_text())
    assert {one["outcome"] for one in saved["must_hold"]} == {"held", "MISSED"}
    assert saved["reaches"][0]["steps"][0]["longest"] is None
    assert (tmp_path / "found.md").read_text() == render(bench)


def test_a_part_that_could_not_be_measured_says_why() -> None:
    failed = Reach("async", "title", "tandem", MANY, wanted=10_000, error="connection 9,000: refused")
    bench = Bench("now", {}, reaches=[failed])
    assert bench.failed
    assert "connection 9,000: refused |" in render(bench)


def test_what_more_than_the_server_had_a_part_in_is_not_fair() -> None:
    assert step(50).fair
    assert not step(50, others_cpu=0.2).fair
    assert not step(50, lag_p99=0.03).fair
