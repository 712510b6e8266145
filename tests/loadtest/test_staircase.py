import math
import random

import pytest

from loadtest.bench.staircase import LOWEST, Staircase


def climbed(
    capacity: float, steps: int, guess: float | None = None, blur: float = 0.0
) -> tuple[Staircase, list[float]]:
    """Offer ``steps`` rates to a server that holds those up to ``capacity``, give or take a factor of e ** ``blur``."""
    chance = random.Random(7)
    staircase, tried = Staircase(50.0, guess), []
    for _ in range(steps):
        tried.append(staircase.rate)
        staircase.record(staircase.rate <= capacity * math.exp(chance.gauss(0.0, blur)))
    return staircase, tried


@pytest.mark.parametrize("capacity", [5, 51, 700, 5000, 40_000])
def test_a_rate_is_found_from_nothing(capacity: float) -> None:
    staircase, _ = climbed(capacity, 14)
    assert staircase.estimate == pytest.approx(capacity, rel=0.2)


@pytest.mark.parametrize("guess", [1500, 2900, 5000])
def test_a_guess_spares_steps_and_does_not_change_what_is_found(guess: float) -> None:
    staircase, tried = climbed(3000, 9, guess)
    assert tried[:2] == [50, guess]
    assert staircase.estimate == pytest.approx(3000, rel=0.2)


def test_no_single_step_decides() -> None:
    staircase, _ = climbed(3000, 60, 3000, blur=0.3)
    assert staircase.estimate == pytest.approx(3000, rel=0.1)


def test_a_guess_is_of_no_use_to_a_server_that_does_not_hold_the_first_rate() -> None:
    staircase, tried = climbed(4, 8, 3000)
    assert tried[:3] == [50, 12.5, 3.125]
    assert staircase.estimate == pytest.approx(4, rel=0.25)


def test_nothing_is_held() -> None:
    staircase, tried = climbed(0.0, 8)
    assert staircase.estimate == 0.0
    assert min(tried) == LOWEST


def test_what_is_always_held_is_found_as_far_as_it_was_tried() -> None:
    staircase, tried = climbed(math.inf, 4)
    assert staircase.estimate == tried[-1] == 50 * 4**3
