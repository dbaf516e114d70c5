"""The quick part: what can be seen of a training's data in about a second, before it starts.

A small annotation file is looked at as it is written, of a large one what its loader has read; of more than
2,000 people those of evenly chosen images, of the pictures 64 headers. Nothing is drawn at random.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from posekit.datasets.coco import load_coco
from posekit.datasets.overlap import compare_people
from posekit.datasets.table import GROUND_TRUTH, PersonTable
from posekit.doctor.checks import CHECKS, Part, examine
from posekit.doctor.facts import Facts, facts_of_table
from posekit.doctor.finding import Finding
from posekit.doctor.shape import NEVER_LABELLED
from posekit.doctor.sources import facts_of_dataset, with_pictures
from posekit.io.files import under

_PEOPLE, _PICTURES = 2_000, 64
_SMALL = 5 * 2**20  # bytes of a json: some 10,000 people, parsed in half a second


def quick_findings(
    training: Sequence[tuple[Mapping[str, Any] | None, PersonTable, bool]], validation: Sequence[PersonTable]
) -> list[Finding]:
    """What is seen at a glance of the data of a training.

    Args:
        training: Of each of its data sets the settings (None: not known), the people, and whether they are
            mirrored at random.
        validation: The people of the validation's data sets.
    """
    found = []
    for settings, table, mirrored in training:
        facts = _facts(settings, table, mirrored)
        if facts is None:
            continue
        name = "training" if len(training) == 1 else f"training ({Path(table.ann_file).name})"
        part = with_pictures(Part(name, _some(facts)), decode=False, most=_PICTURES)
        # What one of several sets does not label another may.
        mapped = "columns" in table.reading
        found += [one for one in examine([part], CHECKS) if not (mapped and one.kind == NEVER_LABELLED)]
        for other in validation:
            found += _shared(table, other)
    return found


def _facts(settings: Mapping[str, Any] | None, table: PersonTable, mirrored: bool) -> Facts | None:
    if not table.skeleton.keypoints:
        return None
    source = (settings or {}).get("source")
    if isinstance(source, Mapping) and source.get("type") in (load_coco, "load_coco"):
        assert settings is not None
        if Path(under(source.get("data_root") or "", source["ann_file"])).stat().st_size <= _SMALL:
            facts = facts_of_dataset(settings, table=table)
            return None if facts is None else replace(facts, mirrored=mirrored)
        return facts_of_table(table, mirrored, boxes_stated=table.box_source == GROUND_TRUTH)
    return facts_of_table(table, mirrored)


def _some(facts: Facts) -> Facts:
    """The people of evenly chosen images, about 2,000."""
    step = -(-len(facts) // _PEOPLE)
    return facts if step <= 1 else facts.select(facts.image % step == 0)


def _shared(training: PersonTable, other: PersonTable) -> list[Finding]:
    """Whether validation people are training people; nothing is compared unless pictures have one name."""
    if training.skeleton.num_keypoints != other.skeleton.num_keypoints:
        return []
    names = [np.unique(table.image_names[np.unique(table.image_index)]) for table in (training, other)]
    if not len(np.intersect1d(names[0], names[1])):
        return []
    overlap = compare_people(training, other)
    if not overlap.common:
        return []
    return [
        Finding(
            "people_in_training",
            "the validation person is a training person: the same picture's name, the same joints",
            "Its scores say nothing about new pictures, and checkpoints are chosen by them.",
            "Validate on people held back from training.",
            overlap.common,
            len(other),
            part="validation",
            file=other.ann_file,
        )
    ]
