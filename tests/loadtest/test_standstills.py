"""What a loop that only counts tells of its machine."""

from loadtest.bench.standstills import described


def test_windows_with_few_strides_are_standstills_and_neighbours_are_one() -> None:
    usual = [100, 90, 110, 100] * 50
    assert described(usual) == "none in 1 s"
    said = described([*usual[:50], 10, 0, 49, *usual[50:], 20, 100])
    assert said.startswith("2 in 1 s, together 20.0 ms, the longest 15.0 ms")
