"""A mended copy of a COCO-form file: what can be mended with certainty, and no other change."""

from __future__ import annotations

import copy
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from posekit.doctor.boxes import tiny_boxes
from posekit.doctor.checks import Part, examine
from posekit.doctor.coco_facts import facts_of_coco
from posekit.doctor.facts import Facts
from posekit.doctor.finding import Finding
from posekit.doctor.reading import EXCHANGED, POINTS_AND_CORNERS, POINTS_EXCHANGED, RIGHT
from posekit.doctor.records import find_twins
from posekit.doctor.sources import with_pictures
from posekit.doctor.stated_sizes import exchanged
from posekit.errors import ConfigError
from posekit.io.files import read_json, write_text

_DIGITS = 3  # of a pixel


def mend(content: Mapping[str, Any], people: Sequence[Facts]) -> tuple[dict[str, Any], Counter[str]]:
    """A copy of a file's content with its certain faults mended.

    Args:
        content: The file's.
        people: Facts read from this very content, with their pictures if there are any.

    Returns:
        The copy, and how many records were changed by what.
    """
    mended = copy.deepcopy(dict(content))
    done: Counter[str] = Counter()
    records = mended["annotations"]
    _mend_sizes(mended["images"], people[0], done)
    gone: set[int] = set()
    for facts in people:
        _mend_places(records, facts, done)
        _mend_counts(records, facts, done)
        twins, exact = find_twins(facts)
        gone |= set(facts.record[twins[exact]].tolist())
    mended["annotations"] = [record for number, record in enumerate(records) if number not in gone]
    done["people there twice, taken out"] += len(gone)
    return mended, +done


def _mend_sizes(images: list[dict[str, Any]], facts: Facts, done: Counter[str]) -> None:
    for row in np.flatnonzero(exchanged(facts)):
        images[row]["width"], images[row]["height"] = images[row]["height"], images[row]["width"]
        done["width and height exchanged"] += 1


def _mend_places(records: list[dict[str, Any]], facts: Facts, done: Counter[str]) -> None:
    """Keypoints and boxes in pixels, x before y, boxes as x, y, width, height."""
    reading = facts.reading
    # Without the pictures, exchanged sizes would look the same.
    sure = reading.sure & ((reading.form != EXCHANGED) | (facts.pictures is not None))
    swapped = sure & np.isin(reading.form, (EXCHANGED, POINTS_EXCHANGED, POINTS_AND_CORNERS))
    for row in np.flatnonzero(reading.points_normalised | swapped):
        if np.isfinite(facts.keypoints[row]).all():
            places = np.concatenate([reading.points[row], facts.visible[row][:, None]], axis=1)
            places[facts.visible[row] <= 0, :2] = 0
            records[facts.record[row]]["keypoints"] = _plain(places)
            done["x and y of keypoints exchanged"] += int(swapped[row])
            done["keypoints in pixels"] += int(reading.points_normalised[row])
    reformed = sure & ~np.isin(reading.form, (RIGHT, POINTS_EXCHANGED))
    for row in np.flatnonzero(reading.boxes_normalised | reformed):
        corners = reading.boxes_xyxy[row]
        if np.isfinite(corners).all():
            records[facts.record[row]]["bbox"] = _plain(np.append(corners[:2], corners[2:] - corners[:2]))
            done["boxes as x, y, width, height"] += int(reformed[row])
            done["boxes in pixels"] += int(reading.boxes_normalised[row])


def _mend_counts(records: list[dict[str, Any]], facts: Facts, done: Counter[str]) -> None:
    number = ((facts.visible > 0) & np.isfinite(facts.keypoints).all(-1)).sum(axis=1)
    corners = facts.reading.boxes_xyxy
    areas = np.where(tiny_boxes(facts), np.nan, (corners[:, 2:] - corners[:, :2]).prod(axis=1))
    whole = np.isfinite(facts.keypoints).all(axis=(1, 2))
    wrong = np.isnan(facts.stated) | ((facts.stated <= 0) != (number == 0))
    for row in np.flatnonzero(wrong & whole):
        records[facts.record[row]]["num_keypoints"] = int(number[row])
        done["num_keypoints stated"] += 1
    for row in np.flatnonzero(~(facts.areas > 0) & (areas > 0)):
        records[facts.record[row]]["area"] = round(float(areas[row]), _DIGITS)
        done["area stated as the box's"] += 1


def _plain(values: np.ndarray) -> list[float | int]:
    """Numbers as a json has them, whole ones without a point."""
    rounded = np.round(values.reshape(-1), _DIGITS).tolist()
    return [int(value) if value == int(value) else value for value in rounded]


def mended_copies(parts: Sequence[Part], out: Path, findings: Sequence[Finding] = ()) -> Iterator[str]:
    """Writes mended copies of the COCO-form files among parts; yields what was changed and what is left.

    Args:
        parts: As they were examined.
        out: The copy's name; of several files a folder, in which they keep their names.
        findings: What was found in the parts: some of it, such as by a model, shows in no file alone.

    Raises:
        ConfigError: If there is no such file, or a copy's name is taken: nothing is overwritten.
    """
    folders = {part.facts.file: part.facts.image_dir for part in parts if part.facts.raw}
    if not folders:
        raise ConfigError("--fix: mends COCO-form files, and there is none")
    names = {file: out / Path(file).name.removesuffix(".gz") for file in folders} if len(folders) > 1 else {}
    targets = [*names.values()] or [out]
    if len(set(targets)) < len(targets):
        again = next(target.name for target in targets if targets.count(target) > 1)
        raise ConfigError(f"--fix: several of the files are named {again}; mend them one at a time")
    for target in targets:
        _refuse_existing(target)
    for file, folder in folders.items():
        target = names.get(file, out)
        own = [finding for finding in findings if finding.file == file and not finding.mended]
        yield f"{file} -> {target}: {write_mended(file, folder, target, own)}"


def _refuse_existing(out: Path) -> None:
    if out.exists():
        raise ConfigError(f"--fix {out}: it is there already, and nothing is overwritten; state a new name")


def write_mended(file: str, image_dir: str | None, out: Path, unmended: Sequence[Finding] = ()) -> str:
    """Writes a mended copy; returns in words what was changed, and what is left."""
    _refuse_existing(out)
    content = read_json(file)
    people = _people(content, file, image_dir)
    mended, done = mend(content, people)
    out.parent.mkdir(parents=True, exist_ok=True)
    write_text(out, json.dumps(mended))
    left = examine([Part("", facts) for facts in _people(mended, str(out), image_dir)][:1])
    changed = ", ".join(f"{what} ({number:,})" for what, number in done.items()) or "nothing to mend"
    # One record alone need not be a finding any more.
    unsure = sum(int((~facts.reading.sure & (facts.reading.form != RIGHT)).sum()) for facts in people)
    seen = {finding.kind for finding in left}
    left += [finding for finding in unmended if finding.kind not in seen]
    remains = [f"{finding.kind} ({finding.count:,})" for finding in left]
    if unsure:
        remains.append(f"places of which the right form is not certain, as they were ({unsure:,})")
    return f"{changed}; left: {', '.join(remains) or 'nothing'}"


def _people(content: Mapping[str, Any], file: str, image_dir: str | None) -> list[Facts]:
    """The people of a file, with the sizes that its pictures state."""
    parts = [Part("", facts) for facts in facts_of_coco(content, file, image_dir)]
    return [with_pictures(part, decode=False).facts for part in parts]
