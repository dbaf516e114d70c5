"""A broken line, and the tests that ought to notice it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Mutant:
    """One line, broken.

    Attributes:
        path: The file, from the project's root.
        old: What is replaced: stands once in the file, within a line.
        new: What it is replaced by.
        tests: Those that ought to fail, files or ``file::test``, from ``tests/``, apart by blanks.
        serious: It changes numbers; otherwise speed or comfort.
        why: What a user would see.
    """

    path: str
    old: str
    new: str
    tests: str
    serious: bool = True
    why: str = ""

    def node_ids(self) -> list[str]:
        """The tests as pytest takes them."""
        return [f"tests/{test}" for test in self.tests.split()]
