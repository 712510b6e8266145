"""Redis is hurt while people chat: nothing acknowledged is lost or doubled, and no socket falls."""

from collections.abc import Iterator

import pytest

from chaos.faults import FAULTS
from chaos.run import SITES
from tests.chaos.side_by_side import SideBySide, hold

HERE = [name for name, fault in FAULTS.items() if fault.keeps_sockets]


@pytest.fixture(scope="module")
def sites(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SideBySide]:
    with SideBySide(tmp_path_factory.mktemp("redis-under-load")) as all_sites:
        yield all_sites


@pytest.mark.slow
@pytest.mark.parametrize("site", SITES)
@pytest.mark.parametrize("fault", HERE)
def test_the_promise_is_kept(fault: str, site: str, sites: SideBySide) -> None:
    hold(sites.result(fault, site))
