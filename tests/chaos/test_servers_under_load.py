"""Backends and connections are hurt while people chat: nothing acknowledged is lost or doubled, and all come back."""

from collections.abc import Iterator

import pytest

from chaos.faults import FAULTS
from chaos.run import SITES
from tests.chaos.side_by_side import SideBySide, hold

HERE = [name for name, fault in FAULTS.items() if not fault.keeps_sockets and fault.workers == 1]
WORKERS = [name for name, fault in FAULTS.items() if fault.workers > 1]


@pytest.fixture(scope="module")
def sites(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SideBySide]:
    with SideBySide(tmp_path_factory.mktemp("servers-under-load")) as all_sites:
        yield all_sites


@pytest.fixture(scope="module")
def workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SideBySide]:
    with SideBySide(tmp_path_factory.mktemp("workers-under-load"), workers=2) as all_sites:
        yield all_sites


@pytest.mark.slow
@pytest.mark.parametrize("site", SITES)
@pytest.mark.parametrize("fault", HERE)
def test_the_promise_is_kept(fault: str, site: str, sites: SideBySide) -> None:
    hold(sites.result(fault, site))


@pytest.mark.slow
@pytest.mark.parametrize("site", SITES)
@pytest.mark.parametrize("fault", WORKERS)
def test_the_promise_is_kept_by_the_other_worker(fault: str, site: str, workers: SideBySide) -> None:
    hold(workers.result(fault, site))
