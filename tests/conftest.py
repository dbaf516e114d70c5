"""What holds for every test."""

import gc
import signal


def pytest_configure() -> None:
    """Makes interrupts reach the programs that tests start.

    A shell starts what it puts into the background with SIGINT ignored, and children inherit that: a tool
    that is told to stop would then not hear it.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_finish() -> None:
    """Leaves all modules, some million objects that live to the end, out of every later collection."""
    gc.collect()
    gc.freeze()
