import pytest

from loadtest.bench.search import Search


def searched(
    capacity: float,
    *,
    busy_at_capacity: float = 1.0,
    always_busy: bool = False,
    bisections: int = 3,
    guess: float | None = None,
) -> tuple[Search, list[float]]:
    """Search a server that holds every rate up to ``capacity``."""
    search, tried = Search(50.0, bisections, guess), []
    while search.rate is not None:
        tried.append(search.rate)
        if search.rate <= capacity:
            part = search.rate / capacity
            search.hold(1.0 if always_busy else busy_at_capacity * part, slow=0.9 * part)
        else:
            search.miss()
    return search, tried


@pytest.mark.parametrize("capacity", [4, 30, 51, 100, 700, 5000, 40_000])
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


@pytest.mark.parametrize("capacity", [4, 51, 700, 2000, 3400, 40_000])
def test_a_guess_does_not_change_what_is_found(capacity: float) -> None:
    search, tried = searched(capacity, bisections=2, guess=2900)
    assert search.held is not None
    assert capacity / 1.12 <= search.held <= capacity
    assert len(tried) <= 12


def test_a_good_guess_spares_steps() -> None:
    _, without = searched(3400, always_busy=True, bisections=2)
    search, tried = searched(3400, always_busy=True, bisections=2, guess=2900)
    assert tried[:2] == [50, 2900]
    assert len(tried) == 5 < len(without)
    assert search.held is not None
    assert search.held >= 3400 / 1.1


def test_a_guess_below_the_first_rate_is_passed_over() -> None:
    _, tried = searched(300, guess=60)
    assert 60 not in tried


def test_nothing_is_held() -> None:
    search, tried = searched(0.0)
    assert search.held is None
    assert tried == [50.0, 12.5, 3.125]


def test_a_search_that_is_stopped_stays_so() -> None:
    search = Search(50.0)
    search.hold(0.1, 0.1)
    search.stop()
    search.miss()
    search.hold(0.1, 0.1)
    assert search.rate is None
    assert (search.held, search.missed) == (50.0, None)
