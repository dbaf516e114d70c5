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
    training: Sequence[tuple[Mapping[str, Any] | None, PersonTable, bool]],
    validation: Sequence[PersonTable],
    training_names: Sequence[str] = (),
    validation_names: Sequence[str] = (),
) -> list[Finding]:
    """What is seen at a glance of the data of a training.

    Args:
        training: Of each of its data sets the settings (None: not known), the people, and whether they are
            mirrored at random.
        validation: The people of the validation's data sets.
        training_names: What the config calls the training's data sets; "", as without: nothing.
        validation_names: As ``training_names``.

    Returns:
        The findings; where there are several data sets, ``part`` says which.
    """
    found = []
    trained = _called([table.ann_file for _, table, _ in training], training_names)
    validated = _called([table.ann_file for table in validation], validation_names)
    for (settings, table, mirrored), own in zip(training, trained, strict=True):
        facts = _facts(settings, table, mirrored)
        if facts is None:
            continue
        part = with_pictures(Part(f"training{own}", _some(facts)), decode=False, most=_PICTURES)
        # What one of several sets does not label another may.
        mapped = "columns" in table.reading
        found += [one for one in examine([part], CHECKS) if not (mapped and one.kind == NEVER_LABELLED)]
        for other, name in zip(validation, validated, strict=True):
            found += _shared(table, other, own, name)
    return found


def _called(files: Sequence[str], names: Sequence[str]) -> list[str]:
    """Which of several data sets each is, in brackets: its name if any, and file; "" where there is one."""
    if len(files) < 2:
        return [""] * len(files)
    paths = [Path(file).parts for file in files]
    depths = range(1, max(map(len, paths)) + 1)
    told = [["/".join(path[-depth:]) for path in paths] for depth in depths]
    short = next((tails for tails in told if len(set(tails)) == len(set(paths))), told[-1])
    named = [f"{name}: " if name else "" for name in names] or [""] * len(files)
    called = [name + tail for name, tail in zip(named, short, strict=True)]
    repeated = {one for one in called if called.count(one) > 1}  # parts of one file
    return [f" ({one}{f', set {n}' * (one in repeated)})" for n, one in enumerate(called, 1)]


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


def _shared(training: PersonTable, other: PersonTable, own: str, name: str) -> list[Finding]:
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
            f"the validation person is a training person{own}: the same picture's name, the same joints",
            "Its scores say nothing about new pictures, and checkpoints are chosen by them.",
            "Validate on people held back from training.",
            overlap.common,
            len(other),
            part=f"validation{name}",
            file=other.ann_file,
        )
    ]
