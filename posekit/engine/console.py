"""What of a run's log is shown on the console; the log file holds all of it."""

from __future__ import annotations

import logging
import sys
from typing import Any

#: ``logger.info(text, extra=SHOWN)``: a note for the console, open or not.
SHOWN = {"shown": True}


class Console(logging.Filter):
    """Passes warnings always; notes once it is open, or if they are marked :data:`SHOWN`."""

    is_open = False

    def filter(self, record: logging.LogRecord) -> bool:
        return self.is_open or record.levelno >= logging.WARNING or getattr(record, "shown", False)


def console_of(logger: logging.Logger, of_scores: bool) -> Console:
    """Puts a :class:`Console` before what a logger prints.

    Args:
        logger: mmengine's, with its handlers.
        of_scores: Standard output is for scores: the log goes to standard error.
    """
    console = Console()
    for handler in logger.handlers:
        if isinstance(handler, logging.StreamHandler) and not isinstance(handler, logging.FileHandler):
            handler.addFilter(console)
            if of_scores:
                handler.setStream(sys.stderr)
    return console


def header(facts: dict[str, Any], log_file: str | None) -> str:
    """A run in one line: what computes what, and where the rest stands.

    Args:
        facts: As from :func:`posekit.engine.report.environment`.
        log_file: With the environment and the whole config.
    """
    versions = facts["versions"]
    return (
        f"posekit {versions['posekit']}, torch {versions['torch']}, {facts['device']}; "
        f"{facts['config'] or 'a config made in Python'}, seed {facts['seed']}; "
        f"environment, config and log: {log_file}"
    )
