"""What holds for every test."""

import gc
import signal
from collections import Counter
from collections.abc import Iterator

import pytest
from web_site import Site, serving


def pytest_configure() -> None:
    """Makes interrupts reach the programs that tests start.

    A shell starts what it puts into the background with SIGINT ignored, and children inherit that: a tool
    that is told to stop would then not hear it.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Where several processes share the files, those with slow tests come first, and then the largest.

    xdist's own order, by the number of tests alone, leaves single tests of half a minute to the end.
    """
    if hasattr(config, "workerinput"):
        slow = {item.path for item in items if item.get_closest_marker("slow")}
        tests = Counter(item.path for item in items)
        items.sort(key=lambda item: (item.path not in slow, -tests[item.path], item.path))


def pytest_collection_finish() -> None:
    """Leaves all modules, some million objects that live to the end, out of every later collection."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A web site on this machine, asked directly."""
    monkeypatch.setenv("no_proxy", "*")
    with serving(Site()) as site:
        yield site
