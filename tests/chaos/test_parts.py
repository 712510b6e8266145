"""The parts of a run that need no servers: what is planned, what is measured, what is called growth."""

from chaos.faults import FAULTS
from chaos.history import Record
from chaos.matrix import Plan
from chaos.recovery import recovery, replays
from chaos.resources import Footprint
from chaos.run import SITES


def test_twenty_seeds_hurt_every_profile_by_every_fault() -> None:
    rounds = list(Plan(list(FAULTS), list(SITES), 1, 20, None).rounds())
    assert [seed for seed, _ in rounds] == list(range(1, 21))
    pairs = [pair for _, runs in rounds for pair in runs]
    assert len(pairs) == 60
    assert set(pairs) == {(fault, site) for fault in FAULTS for site in SITES}
    for _, runs in rounds:
        assert len({fault for fault, _ in runs}) == len(SITES), "side by side, but not the same"


def test_a_seed_alone_is_what_it_was_among_others() -> None:
    everything = dict(Plan(list(FAULTS), list(SITES), 1, 20, None).rounds())
    assert dict(Plan(list(FAULTS), list(SITES), 7, 1, None).rounds()) == {7: everything[7]}


def _record(at: float, did: str, **what: object) -> Record:
    return Record(at, did, what)


def test_recovery_lasts_until_the_last_one_got_something_new() -> None:
    def push(at: float, id: str) -> Record:
        return _record(at, "receive", type="message", id=id)

    author = [
        _record(1.0, "send", type="post", ref=1, id="old"),
        _record(5.0, "send", type="post", ref=2, id="new"),
        push(5.1, "new"),
    ]
    page = {"messages": [{"id": "new"}], "more": False}
    clients = {"author": author, "reader": [push(4.5, "old"), _record(6.0, "receive", type="reply", result=page)]}
    assert recovery(clients, 4.0) == 2.0
    assert recovery({**clients, "lost": [push(4.5, "old")]}, 4.0) is None


def test_a_replay_ends_with_its_last_page() -> None:
    since = {"epoch": "0" * 16, "offset": 1}
    records = [
        _record(1.0, "send", type="join", ref=1),
        _record(1.1, "receive", type="reply", ref=1, result={"more": False}),
        _record(2.0, "send", type="join", ref=2, since=since),
        _record(2.1, "receive", type="reply", ref=2, result={"more": True}),
        _record(2.2, "receive", type="replay", more=True),
        _record(2.5, "receive", type="replay", more=False),
        _record(3.0, "send", type="join", ref=3, since=since),
        _record(3.1, "lost", code=1006),
        _record(4.0, "send", type="join", ref=1, since=since),
        _record(4.25, "receive", type="reply", ref=1, result={"more": False}),
    ]
    assert replays(records) == [0.5, 0.25]


def test_a_footprint_is_beyond_another_by_more_than_slack() -> None:
    idle = Footprint(threads=10, descriptors=40, memory=1000, subscriptions=1)
    assert Footprint(12, 45, 9000, 1).beyond(idle) == ""
    assert Footprint(40, 45, 9000, 2).beyond(idle) == "40 threads, 10 before, 2 subscriptions, 1 before"
