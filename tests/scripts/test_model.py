"""The world of `tests/core` is a fair picture: its log and the scripts answer alike, whatever happens."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chat_core.frames import Position
from tests.core.world import Log
from tests.scripts.store import Store, decoded, place

STEPS = st.lists(st.sampled_from(["commit", "commit", "commit", "restart", "vanish", "look"]), max_size=20)


@settings(derandomize=True, max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(STEPS)
def test_model_and_scripts_honour_the_same_positions_and_read_the_same_entries(store: Store, steps: list[str]) -> None:
    store.redis.flushall()
    log = Log(page_entries=200)
    names: dict[str, str] = {}  # what the model calls the epochs of Redis
    for step in [*steps, "look"]:
        if step == "commit":
            block, position = log.commit(), store.posted()
            assert position.offset == block.first
            assert names.setdefault(position.epoch, block.epoch) == block.epoch
        elif step == "restart" and log.exists and log.entries:
            log.restart(0)
            store.redis.hset(store.key("meta"), "run", "0" * 40)
            store.probe("lobby")
        elif step == "vanish":
            log.vanish()
            store.redis.flushall()
        else:
            for (theirs, ours), offset in ((pair, offset) for pair in names.items() for offset in range(5)):
                found = store.page(Position(epoch=theirs, offset=offset), mode="more")
                expected = log.page("more", Position(epoch=ours, offset=offset))
                assert (found is None) == (expected is None)
                if found and expected:
                    assert (found.recovered, found.offset, found.top, found.more) == (
                        expected.recovered,
                        expected.offset,
                        expected.top,
                        expected.more,
                    )
                    assert [(names[one["epoch"]], one["offset"]) for one in decoded(found.entries)] == [
                        (one["epoch"], one["offset"]) for one in decoded(expected.entries)
                    ]


def test_model_and_scripts_agree_on_a_first_join(store: Store) -> None:
    log = Log(page_entries=50)
    for _ in range(60):
        log.commit()
    store.commit(*(store.post() for _ in range(60)))
    found, expected = store.join(), log.page("join", None)
    assert expected is not None
    assert (found.recovered, found.offset, found.more) == (expected.recovered, expected.offset, expected.more)
    assert [one["offset"] for one in decoded(found.entries)] == [one["offset"] for one in decoded(expected.entries)]
    assert place(*store.commit(store.post())).offset == log.commit().first
