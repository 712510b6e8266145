import pytest

from loadtest.search import Search


def searched(capacity: float, *, busy_at_capacity: float = 1.0, bisections: int = 3) -> tuple[Search, list[float]]:
    """Search a server that holds every rate up to ``capacity``."""
    search, tried = Search(50.0, bisections), []
    while search.rate is not None:
        tried.append(search.rate)
        if search.rate <= capacity:
            search.hold(busy_at_capacity * search.rate / capacity, slow=0.9 * search.rate / capacity)
        else:
            search.miss()
    return search, tried


@pytest.mark.parametrize("capacity", [0.9, 3, 30, 51, 100, 700, 5000, 40_000])
def test_capacity_is_found_closely_and_in_few_steps(capacity: float) -> None:
    search, tried = searched(capacity)
    assert search.held is not None
    assert capacity / 1.5 <= search.held <= capacity
    assert len(tried) <= 11


def test_a_server_that_says_nothing_of_its_limit_is_found_too() -> None:
    search, _ = searched(3000, busy_at_capacity=0.0)
    assert search.held == pytest.approx(3000, rel=0.35)


def test_the_first_miss_ends_the_way_up() -> None:
    _, tried = searched(300)
    up = [rate for rate in tried if rate > 300]
    assert max(tried) == up[0]


def test_nothing_is_held() -> None:
    search, tried = searched(0.0)
    assert search.held is None
    assert tried == [50.0, 12.5, 3.125, 0.78125]


def test_a_search_that_is_stopped_stays_so() -> None:
    search = Search(50.0)
    search.hold(0.1, 0.1)
    search.stop()
    search.miss()
    search.hold(0.1, 0.1)
    assert search.rate is None
    assert (search.held, search.missed) == (50.0, None)
