"""Records: unreadable ones, repeated ids, people who are there twice, areas and counts of keypoints."""

from __future__ import annotations

import warnings
from collections import Counter

import numpy as np

from posekit.doctor.facts import Facts
from posekit.doctor.finding import Finding, of_images, of_people

# Two people of one picture are one if the same joints are labelled, at least so many, and lie apart by less
# than this share of the longer side of their extent, on average. The nearest two such people of COCO's slices
# are 0.25 apart, of MPII's 22,246 training people 0.032.
_JOINTS, _APART = 3, 0.02
_EXACT = 0.01  # pixels
# An area is of something else below this share of the lesser of box and joints' extent (of three or more),
# or above this share of the larger: COCO's have 0.16 of the box and more, LSP-extended's 1.002.
_AREA_OF_EXTENT, _AREA_OF_BOX = 0.01, 1.5
_CATEGORY = "Compare the annotations' 'category_id' with 'categories', and the file with the config."
_FLAGS = (
    "Every third number of 'keypoints' is 2 (seen), 1 (hidden) or 0 (not labelled): state what is labelled."
)


def check_records(facts: Facts) -> list[Finding]:
    """Records of which something cannot be read."""
    reasons = Counter(facts.unreadable.values()).most_common(3)
    said = "; ".join(f"{reason} ({number:,})" for reason, number in reasons)
    rows = np.flatnonzero(np.isin(facts.record, list(facts.unreadable)))
    return of_people(
        "record_unreadable", rows, len(facts),
        f"a record without something it needs: {said}",
        "A training refuses the file, or leaves these people out.",
        "Mend these records, or state on_bad_record='skip' for the source.",
    )  # fmt: skip


def check_boxless(facts: Facts) -> list[Finding]:
    """Records without a box."""
    rows = np.isin(facts.record, list(facts.boxless)) & facts.labelled.any(axis=1)
    rows &= ~np.isin(facts.record, list(facts.unreadable))
    return of_people(
        "box_missing", rows, len(facts),
        "'bbox' is missing",
        "The labelled keypoints' extent, grown by 15 % of its longer side, is taken: a crop without "
        "what has no keypoints.",
        "State the person's box.",
    )  # fmt: skip


def check_anybody(facts: Facts) -> list[Finding]:
    """A file in which nobody can be learnt from or scored."""
    read = ~np.isin(facts.record, list(facts.unreadable))
    if not facts.raw or facts.labelled.any() or (len(facts) and not read.any()):  # those have their finding
        return []
    others = [f"{number:,} are {reason}" for reason, number in facts.left_out.items()]
    without = [f"{len(facts):,} have no labelled keypoint"] * bool(len(facts))
    total = len(facts) + sum(facts.left_out.values())
    why = ", ".join([*others, *without]) or "there are no annotations"
    remedy = [_CATEGORY] * bool(others or not total) + [_FLAGS] * bool(without)
    return [
        Finding(
            "nobody_labelled",
            f"nobody is a person with labelled keypoints ({', '.join(facts.names[:3])}, ...): {why}",
            "A training and a score refuse the file.",
            " ".join(remedy),
            total,
            total,
        )
    ]


def check_ids(facts: Facts) -> list[Finding]:
    """Ids that stand twice, of people and of images."""
    again, images = repeated(facts.ids), repeated(facts.image_ids)
    return [
        *of_people(
            "id_repeated", again[facts.ids[again] >= 0], len(facts),
            "the record's 'id' is another's too",
            "Results cannot be told apart by it, and a training refuses the file.",
            "Number the annotations anew.",
        ),
        *of_images(
            "image_id_repeated", images[facts.image_ids[images] >= 0], len(facts.image_ids),
            "the image's 'id' is another's too",
            "Its people are taken for people of the other picture.",
            "Number the images anew, in 'images' and in the annotations' 'image_id'.",
        ),
        *of_images(
            "file_repeated", _repeated_names(facts), len(facts.image_names),
            "the same 'file_name' has several ids",
            "One picture counts as several, perhaps in training and validation.",
            "Give all people of a picture one 'image_id'.",
        ),
    ]  # fmt: skip


def repeated(values: np.ndarray) -> np.ndarray:
    """Rows whose value stood before, ascending."""
    _, first, inverse = np.unique(values, return_index=True, return_inverse=True)
    return np.flatnonzero(first[inverse] != np.arange(len(values)))


def _repeated_names(facts: Facts) -> np.ndarray:
    other_id = ~np.isin(np.arange(len(facts.image_ids)), repeated(facts.image_ids))
    again = repeated(np.array(facts.image_names, dtype=object).astype(str))
    return again[other_id[again]]


def check_twins(facts: Facts) -> list[Finding]:
    """People who are there twice."""
    twins, exact = find_twins(facts)
    return of_people(
        "person_repeated", twins, len(facts),
        f"the person is there before, in the same picture ({int(exact.sum())} to the digit)",
        "It counts twice in training; in a score one prediction leaves the other unmatched.",
        "Take the second record out; --fix does with those to the digit.",
        mended=bool(exact.any()),
    )  # fmt: skip


def find_twins(facts: Facts) -> tuple[np.ndarray, np.ndarray]:
    """Rows of people who are there before, and which of these are so to the digit."""
    order = np.argsort(facts.image, kind="stable")
    order = order[(facts.labelled[order].sum(axis=1) >= _JOINTS) & (facts.image[order] >= 0)]
    image = facts.image[order]
    twin: dict[int, bool] = {}
    for step in range(1, len(order)):
        first = np.flatnonzero(image[:-step] == image[step:])
        if not len(first):
            break
        near, exact = _alike(facts, order[first], order[first + step])
        later = np.maximum(order[first], order[first + step])
        for row, is_exact in zip(later[near], exact[near], strict=True):
            twin[int(row)] = twin.get(int(row), False) or bool(is_exact)
    rows = np.array(sorted(twin), dtype=np.int64)
    return rows, np.array([twin[int(row)] for row in rows], dtype=bool)


def _alike(facts: Facts, a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Whether people are the same, and whether to the digit; bool (P,) each."""
    labelled = facts.labelled[a]
    same = (labelled == facts.labelled[b]).all(axis=1)
    points = facts.reading.points
    difference = np.abs(np.where(labelled[..., None], points[a] - points[b], 0))
    spread = np.where(labelled[..., None], points[a], np.nan)
    with np.errstate(all="ignore"):
        longer = (np.nanmax(spread, axis=1) - np.nanmin(spread, axis=1)).max(axis=1)
    mean = difference.max(axis=2).sum(axis=1) / labelled.sum(axis=1)
    boxes = np.nan_to_num(np.abs(facts.boxes[a] - facts.boxes[b])).max(axis=1, initial=0)
    exact = (difference.max(axis=(1, 2), initial=0) <= _EXACT) & (boxes <= _EXACT)
    same &= facts.categories[a] == facts.categories[b]
    return same & (mean <= np.maximum(_APART * longer, _EXACT)), same & exact


def check_areas(facts: Facts) -> list[Finding]:
    """Areas and counts of keypoints that a metric goes by."""
    people = facts.labelled.any(axis=1)
    area, stated, number = facts.areas, facts.stated, facts.labelled.sum(axis=1)
    zero, no_area = people & (area <= 0), people & np.isnan(area)
    odd = people & (area > 0) & _odd_areas(facts)
    readable = np.isfinite(stated) & np.isfinite(facts.keypoints).all(axis=(1, 2))
    # CrowdPose counts visible ones alone.
    wrong = readable & (((stated <= 0) != (number == 0)) | (stated > len(facts.names)))
    if not facts.raw or not people.any():  # of nobody there is a finding already
        return []
    of = int(people.sum())
    return [
        *of_people(
            "area_zero", zero, of,
            "'area' is 0 or below",
            "OKS divides by it: nothing can match these people, and a training leaves them out.",
            "State the area (box width x height where there is no segment); --fix does.",
            mended=True,
        ),
        *of_people(
            "area_odd", odd, of,
            "'area' is not the person's: below a hundredth of box and joints, or far above both",
            "OKS divides by it: hardly any pose matches these people, or any that is about there.",
            "State the area in square pixels of the picture (0.53 x the box where there is no segment).",
        ),
        *of_people(
            "area_missing", no_area, of,
            "'area' is missing",
            "OKS cannot be computed.",
            "State the area (box width x height where there is no segment); --fix does.",
            mended=True,
        ),
        *of_people(
            "num_keypoints_wrong", wrong, len(facts),
            "'num_keypoints' is 0 of a person with labelled keypoints, the reverse, or more than there are",
            "COCO's score leaves out, or counts, the wrong people.",
            "State how many have v > 0; --fix does.",
            mended=True,
        ),
        *of_people(
            "num_keypoints_missing", people & np.isnan(stated), of,
            "'num_keypoints' is missing",
            "pycocotools stops at it; posekit counts the labelled keypoints itself.",
            "State how many have v > 0; --fix does.",
            mended=True,
        ),
    ]  # fmt: skip


def _odd_areas(facts: Facts) -> np.ndarray:
    """Bool (N,): areas that are those neither of the joints nor of the box."""
    boxes, points = (
        facts.reading.boxes_xyxy,
        np.where(facts.labelled[..., None], facts.reading.points, np.nan),
    )
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # people without a joint
        extent = (np.nanmax(points, axis=1) - np.nanmin(points, axis=1)).prod(axis=1)
        box = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
        sound = (facts.labelled.sum(axis=1) >= _JOINTS) & (box > extent / 4)  # else the box is at fault
        small, large = _AREA_OF_EXTENT * np.fmin(extent, box), _AREA_OF_BOX * np.fmax(extent, box)
        return sound & ((facts.areas < small) | (facts.areas > large))
