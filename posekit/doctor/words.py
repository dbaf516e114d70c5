"""Findings as text and as values for scripts."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from posekit.doctor.checks import Part
from posekit.doctor.facts import Facts
from posekit.doctor.finding import Finding

_EXAMPLES = 5


def facts_of(finding: Finding, parts: Sequence[Part]) -> Facts:
    """The facts that a finding is about."""
    return next(p.facts for p in parts if (p.name, p.facts.file) == (finding.part, finding.file))


def examples(finding: Finding, facts: Facts, most: int = _EXAMPLES) -> list[dict[str, Any]]:
    """The worst people or images of a finding: their ids and file names."""
    people = [
        {"id": int(facts.ids[row]), "file_name": _name(facts, int(facts.image[row]))}
        for row in finding.people[:most]
    ]
    images = [
        {"image_id": int(facts.image_ids[row]), "file_name": facts.image_names[row]}
        for row in finding.images[:most]
    ]
    return people + images


def _name(facts: Facts, image: int) -> str:
    return facts.image_names[image] if image >= 0 else ""


def report(findings: Sequence[Finding], parts: Sequence[Part], width: int = 118) -> str:
    """What was looked at, and a paragraph for each finding."""
    lines = [_looked_at(part) for part in parts]
    for finding in findings:
        where = f"{finding.part}, " * bool(finding.part)
        head = f"{where}{finding.kind}: {finding.sentence}"
        shown = [_words(one) for one in examples(finding, facts_of(finding, parts))]
        more = f" E.g. {', '.join(shown)}." if shown else ""
        lines += ["", *textwrap.wrap(head + more, width, subsequent_indent="    ", break_long_words=False)]
    number = f"{len(findings)} finding{'s' * (len(findings) > 1)}" if findings else "nothing found"
    return "\n".join([*lines, "", number])


def _words(example: Mapping[str, Any]) -> str:
    who = f"annotation {example['id']}" if "id" in example else f"image {example['image_id']}"
    return f"{who} ({example['file_name']})" if example["file_name"] else who


def _looked_at(part: Part) -> str:
    facts = part.facts
    name = f"{part.name}: " * bool(part.name)
    if facts.pictures is None:
        pictures = "the pictures were not looked at (--images DIR)"
    else:
        pictures = f"{int(facts.pictures.looked.sum()):,} pictures looked at"
    return f"{name}{facts.file}: {len(facts):,} people on {len(facts.used):,} images; {pictures}"


def as_json(findings: Sequence[Finding], parts: Sequence[Part]) -> dict[str, Any]:
    """The same as plain values."""
    return {
        "looked_at": [
            {
                "part": part.name,
                "file": part.facts.file,
                "people": len(part.facts),
                "images": len(part.facts.used),
                "pictures": 0 if part.facts.pictures is None else int(part.facts.pictures.looked.sum()),
            }
            for part in parts
        ],
        "findings": [
            {**finding.as_json(), "examples": examples(finding, facts_of(finding, parts))}
            for finding in findings
        ],
    }
