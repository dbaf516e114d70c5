"""A cell that differs in more than its loss: another config, or other options, compared as a whole."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Variant:
    """A variant as ``plan.json`` holds it. Nothing heavy is imported here.

    Attributes:
        config: The path of its config.
        options: Its ``--cfg-options``, those of the sweep among them.
        text: The text of its prepared config, loss and all, without the seed.
        fingerprint: The text's SHA-256.
        differs: The lines that differ from the sweep's own config: ``- before`` and ``+ after``.
        max_epochs: Of its training.
        files: Path -> SHA-256 of the files that it names.
    """

    config: str
    options: list[str]
    text: str
    fingerprint: str
    differs: list[str]
    max_epochs: int
    files: dict[str, str] = field(default_factory=dict)
