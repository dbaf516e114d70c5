"""The people of an annotation file as arrays; a ``PersonRecord`` is made when one is asked for.

150,000 people in these arrays take about 34 MB, against 122 MB as Python objects that every worker process
would copy: forked workers share the arrays' pages, and pickling (spawned workers) moves them to shared
memory first. Loaders build a table with :func:`build_table`, which checks what all files have in common.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, NamedTuple

import numpy as np
import torch

from posekit.errors import ConfigError, DataError, shown
from posekit.io.images import check_image_name
from posekit.structures import PersonRecord, Skeleton

GROUND_TRUTH = "ground truth"
# Of a data set of whole pictures, which gives the network no boxes.
NO_BOXES = "none: the network finds the people"
# In ``counts`` beside the reasons why people were left out: keypoints that stay and carry no weight.
OUTSIDE = "keypoints_outside_image"


class Fault(NamedTuple):
    """One kind of fault: which rows have it, in which field, what was expected, what each row holds."""

    rows: np.ndarray
    field: str
    expected: str
    found: np.ndarray


@dataclass(frozen=True, eq=False)
class PersonTable:
    """N people with K keypoints on M images.

    Attributes:
        skeleton: What the K keypoints are.
        image_dir: The folder that ``image_names`` are relative to.
        image_names: bytes (M,), UTF-8.
        image_ids: int64 (M,).
        image_sizes_hw: int32 (M, 2); 0 where the file does not say.
        image_index: int32 (N,): the image of each person.
        person_ids: int64 (N,).
        boxes_xyxy: float32 (N, 4), image pixels.
        box_scores: float32 (N,), 1 for ground truth.
        keypoints: float32 (N, K, 2), image pixels; zeros where not labelled.
        visible: uint8 (N, K): 0 not labelled, 1 hidden, 2 visible. Labelled keypoints outside the image
            keep their flag here (metrics count them); a sample gives them weight 0.
        head_sizes: float32 (N,); NaN where unknown.
        ann_file: The file it was read from.
        box_source: "ground truth" or the name of the detections file.
        counts: What was left out of the file, and why: name -> number; and of these people the
            ``keypoints_outside_image``, where image sizes are known.
        extra: Further columns of the people, by name, each (N, ...): labels, identities; numbers only.
        category_ids: int64 (N,), the annotations' categories; 1 where there are none.
        annotated_wh: float64 (N, 2), pixels: width and height of the boxes as the file states them, before
            any cleaning; where there are none, those of ``boxes_xyxy``.
        turn_by_exif: Whether pictures whose stated size does not tell are to be turned as their EXIF entry
            says (:mod:`posekit.datasets.pictures`).
        reading: How the file was read; a metric that reads it again does likewise.
        mirror: What a mirrored image makes of further columns of one whole number: name -> value -> value;
            other values, and other columns, stay.
        file_people: MPII: how many people the file (or its split) has, faulty ones that were skipped
            included; a person's id is its row among them. None: the ids are no rows.
    """

    skeleton: Skeleton
    image_dir: str
    image_names: np.ndarray
    image_ids: np.ndarray
    image_sizes_hw: np.ndarray
    image_index: np.ndarray
    person_ids: np.ndarray
    boxes_xyxy: np.ndarray
    box_scores: np.ndarray
    keypoints: np.ndarray
    visible: np.ndarray
    head_sizes: np.ndarray
    ann_file: str = ""
    box_source: str = GROUND_TRUTH
    counts: Mapping[str, int] = field(default_factory=dict)
    file_people: int | None = None
    extra: Mapping[str, np.ndarray] = field(default_factory=dict)
    category_ids: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    annotated_wh: np.ndarray = field(default_factory=lambda: np.zeros((0, 2)))
    turn_by_exif: bool = False
    reading: Mapping[str, Any] = field(default_factory=dict)
    mirror: Mapping[str, Mapping[int, int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not len(self.category_ids):
            object.__setattr__(self, "category_ids", np.ones(len(self), np.int64))
        if not len(self.annotated_wh):
            boxes = np.asarray(self.boxes_xyxy, np.float64)
            object.__setattr__(self, "annotated_wh", boxes[:, 2:] - boxes[:, :2])

    def __len__(self) -> int:
        return len(self.image_index)

    def __getitem__(self, row: int) -> PersonRecord:
        image = int(self.image_index[row])
        return PersonRecord(
            image_path=self.image_path(image),
            image_id=int(self.image_ids[image]),
            person_id=int(self.person_ids[row]),
            box_xyxy=self.boxes_xyxy[row],
            box_score=float(self.box_scores[row]),
            keypoints=self.keypoints[row],
            visible=self.visible[row],
            head_size=float(self.head_sizes[row]),
            extra={name: column[row] for name, column in self.extra.items()},
        )

    def columns_of(self, record: PersonRecord, mirrored: bool = False) -> dict[str, np.ndarray]:
        """A record's further columns as arrays, those of its mirror image if asked."""
        columns = {name: np.asarray(value) for name, value in record.extra.items()}
        for name, changes in self.mirror.items() if mirrored else ():
            if name in columns:
                value = columns[name]
                columns[name] = np.asarray(changes.get(int(value), value), value.dtype)
        return columns

    def image_name(self, image: int) -> str:
        """The name of image number ``image`` as the annotation has it."""
        return bytes(self.image_names[image]).decode("utf-8")

    def image_path(self, image: int) -> str:
        """The path of image number ``image``."""
        return os.path.join(self.image_dir, self.image_name(image))  # noqa: PTH118 (20 times cheaper)

    def select(self, rows: Any) -> PersonTable:
        """The table of some people (row numbers or a mask); all images stay, so that numbers still fit."""
        per_person = {name: getattr(self, name)[rows] for name in _PER_PERSON}
        chosen = replace(
            self, **per_person, extra={name: column[rows] for name, column in self.extra.items()}
        )
        return chosen.with_outside_counted() if OUTSIDE in self.counts else chosen

    def with_outside_counted(self) -> PersonTable:
        """The table with its labelled keypoints outside the image counted, if any image size is known."""
        if not self.image_sizes_hw.any():
            return self
        return replace(self, counts={**self.counts, OUTSIDE: int(self.outside_image().sum())})

    @property
    def nbytes(self) -> int:
        """Bytes held in arrays."""
        return sum(array.nbytes for array in self.arrays().values())

    def arrays(self) -> dict[str, np.ndarray]:
        """All arrays: attributes by their names, extra columns as ``extra.NAME``."""
        return {name: getattr(self, name) for name in _ARRAYS} | {
            f"{EXTRA}{name}": column for name, column in self.extra.items()
        }

    def outside_image(self) -> np.ndarray:
        """Which labelled keypoints lie outside their image: bool (N, K), False where its size is unknown."""
        last_xy = self.image_sizes_hw[self.image_index, ::-1].astype(np.float32)[:, None] - 1
        outside = ((self.keypoints < 0) | (self.keypoints > last_xy)).any(-1)
        return outside & (self.visible > 0) & (last_xy >= 0).all(-1)

    def check(self, annotated: bool = True) -> None:
        """Looks for what no training run should start with.

        Args:
            annotated: Whether at least one labelled keypoint is expected.

        Raises:
            DataError: On NaN, an empty or negative box, a repeated id, a person without an image, an image
                name that leaves the folder, no people, or no labelled keypoint at all, naming the file,
                the record, the field, what was expected and what was found.
        """
        self._check_images()
        if len(self) == 0:
            remedy = "state their areas, or take 0.53 x the box: area='box'"
            raise DataError(
                f"{self.ann_file}: expected at least one usable person, found none; left out: "
                f"{dict(self.counts) or 'none'}{f'; {remedy}' if self.counts.get('no_area') else ''}"
            )
        for fault in self.faults():
            raise DataError(self.describe(fault))
        if annotated and self.skeleton.keypoints and not self.visible.any():
            raise DataError(
                f"{self.ann_file}: no person has a labelled keypoint; expected at least one annotated person"
            )

    def _check_images(self) -> None:
        ids, numbers = np.unique(self.image_ids, return_counts=True)
        if (numbers > 1).any():
            raise DataError(
                f"{self.ann_file}: image id {ids[numbers > 1][0]}, field 'id': expected unique ids, "
                f"found it {numbers.max()} times"
            )

    def faults(self) -> list[Fault]:
        """The kinds of faulty people, each with its rows; empty for a sound table."""
        sides = self.boxes_xyxy[:, 2:] - self.boxes_xyxy[:, :2]
        # A clean box may have lost one side to the shrink by one pixel; HRNet then widens it.
        empty = (sides < 0).any(1) | (sides <= 0).all(1)
        _, first, inverse = np.unique(self.person_ids, return_index=True, return_inverse=True)
        repeated = first[inverse] != np.arange(len(self))
        labelled = self.visible > 0
        checks = [
            ("bbox", "four finite numbers", ~np.isfinite(self.boxes_xyxy).all(1), self.boxes_xyxy),
            ("bbox", "a positive width and height", empty, self.boxes_xyxy),
            ("score", "a finite number", ~np.isfinite(self.box_scores), self.box_scores),
            ("id", "unique ids", repeated, self.person_ids),
            ("keypoints", "visibility 0, 1 or 2", (self.visible > 2).any(1), self.visible),
            (
                "keypoints",
                "finite coordinates",
                (~np.isfinite(self.keypoints).all(-1) & labelled).any(1),
                self.keypoints,
            ),
        ]
        found = [Fault(np.flatnonzero(bad), name, wanted, values) for name, wanted, bad, values in checks]
        return [fault for fault in found if len(fault.rows)]

    def describe(self, fault: Fault) -> str:
        """The message for a fault: its first record, and how many more have it."""
        row = int(fault.rows[0])
        values = np.array2string(fault.found[row], threshold=100, separator=", ").replace("\n", "")
        more = f" (and {len(fault.rows) - 1} more)" if len(fault.rows) > 1 else ""
        image = self.image_name(int(self.image_index[row]))
        return (
            f"{self.ann_file}: person id {self.person_ids[row]} on {image}, field '{fault.field}': "
            f"expected {fault.expected}, found {values}{more}"
        )

    def __getstate__(self) -> dict[str, Any]:
        # The arrays become views of shared tensors once; torch then hands worker processes the memory
        # itself. A plain pickle, which has no such channel, still carries the values.
        shared = self.__dict__.setdefault("_shared", {})
        for name, array in self.arrays().items():
            if name not in shared:
                memory = torch.from_numpy(np.frombuffer(bytearray(array.tobytes() or b"\0"), np.uint8))
                shared[name] = memory.share_memory_(), array.dtype.str, array.shape
        self._set_arrays(shared)
        plain = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in (*_ARRAYS, "extra")}
        return {**plain, "_shared": dict(shared)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._set_arrays(state["_shared"])

    def _set_arrays(self, shared: Mapping[str, tuple[torch.Tensor, str, tuple[int, ...]]]) -> None:
        """Puts views of shared memory in the place of all arrays."""
        views = {name: _view(*memory) for name, memory in shared.items()}
        extra = {name.removeprefix(EXTRA): views.pop(name) for name in list(views) if name.startswith(EXTRA)}
        self.__dict__.update(views, extra=extra)


def _view(memory: torch.Tensor, dtype: str, shape: tuple[int, ...]) -> np.ndarray:
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    return memory.numpy()[:size].view(dtype).reshape(shape)


_PER_PERSON = (
    "image_index",
    "person_ids",
    "boxes_xyxy",
    "box_scores",
    "keypoints",
    "visible",
    "head_sizes",
    "category_ids",
    "annotated_wh",
)
_ARRAYS = ("image_names", "image_ids", "image_sizes_hw", *_PER_PERSON)
# How a loader marks a column of its own.
EXTRA = "extra."


def check_policy(on_bad_record: str) -> None:
    """Raises ConfigError unless ``on_bad_record`` is "error" or "skip"."""
    if on_bad_record not in ("error", "skip"):
        raise ConfigError(f"'on_bad_record' must be 'error' or 'skip', found {on_bad_record!r}")


def build_table(
    skeleton: Skeleton,
    image_dir: str,
    images: tuple[list[str], Any, Any],
    people: Mapping[str, Any],
    ann_file: str,
    box_source: str = GROUND_TRUTH,
    counts: Mapping[str, int] | None = None,
    on_bad_record: str = "error",
    annotated: bool = True,
    turn_by_exif: bool = False,
    reading: Mapping[str, Any] | None = None,
) -> PersonTable:
    """Turns a loader's lists into a checked table.

    Args:
        skeleton: What the keypoints are.
        image_dir: Folder of the images.
        images: Names, ids and sizes (height, width; 0 unknown) of the M images.
        people: Lists or arrays ``image_index``, ``person_ids``, ``boxes_xyxy``, ``keypoints``, ``visible``,
            and, where known, ``box_scores``, ``head_sizes``, ``category_ids`` and ``annotated_wh``; further
            ones, of numbers, as ``extra.NAME``.
        ann_file: The file, for messages.
        box_source: Where the boxes are from.
        counts: What the loader left out.
        on_bad_record: "error" raises on the first faulty person; "skip" leaves them out and counts them.
        annotated: Whether at least one labelled keypoint is expected.
        turn_by_exif: As of the table.
        reading: The loader's settings that a metric must know.

    Returns:
        The table, with ``keypoints_outside_image`` counted unless all image sizes are unknown.

    Raises:
        ConfigError: On a column that a table does not have.
        DataError: See :meth:`PersonTable.check`; also if an extra column holds no numbers or is of another
            length.
    """
    check_policy(on_bad_record)
    unknown = sorted(name for name in people if name not in _PER_PERSON and not name.startswith(EXTRA))
    if unknown:
        raise ConfigError(
            f"build_table: unknown column(s) {unknown}; expected some of {list(_PER_PERSON)}, or your own as "
            f"'{EXTRA}NAME'"
        )
    table = replace(
        _assemble(skeleton, image_dir, images, people, ann_file, box_source, dict(counts or {})),
        turn_by_exif=turn_by_exif,
        reading={**(reading or {}), "on_bad_record": on_bad_record},
    )
    if on_bad_record == "skip":
        table = _without_faults(table)
    table.check(annotated)
    return table.with_outside_counted()


def _assemble(
    skeleton: Skeleton,
    image_dir: str,
    images: tuple[list[str], Any, Any],
    people: Mapping[str, Any],
    ann_file: str,
    box_source: str,
    counts: dict[str, int],
) -> PersonTable:
    names, ids, sizes = images
    n, k = len(people["image_index"]), skeleton.num_keypoints
    visible = np.asarray(people["visible"], dtype=np.uint8).reshape(n, k)
    keypoints = np.array(people["keypoints"], dtype=np.float32).reshape(n, k, 2)
    keypoints[visible == 0] = 0
    return PersonTable(
        skeleton=skeleton,
        image_dir=os.fspath(image_dir),
        image_names=_encoded(names, ids, ann_file),
        image_ids=np.asarray(ids, dtype=np.int64).reshape(-1),
        image_sizes_hw=np.asarray(sizes, dtype=np.int32).reshape(-1, 2),
        image_index=np.asarray(people["image_index"], dtype=np.int32),
        person_ids=np.asarray(people["person_ids"], dtype=np.int64),
        boxes_xyxy=np.asarray(people["boxes_xyxy"], dtype=np.float32).reshape(n, 4),
        box_scores=np.asarray(people.get("box_scores", np.ones(n)), dtype=np.float32),
        keypoints=keypoints,
        visible=visible,
        head_sizes=np.asarray(people.get("head_sizes", np.full(n, np.nan)), dtype=np.float32),
        category_ids=np.asarray(people.get("category_ids", np.ones(n)), dtype=np.int64),
        annotated_wh=np.asarray(people.get("annotated_wh", np.zeros((0, 2))), dtype=np.float64),
        ann_file=os.fspath(ann_file),
        box_source=box_source,
        counts=counts,
        extra={
            name.removeprefix(EXTRA): _extra(name, values, n, ann_file)
            for name, values in people.items()
            if name.startswith(EXTRA)
        },
    )


def _extra(name: str, values: Any, length: int, ann_file: str) -> np.ndarray:
    """A further column: whole numbers as int64, real ones as float32, which is what networks take."""
    try:
        column = np.asarray(values)
    except ValueError:  # of differing lengths
        column = np.empty(0, object)
    if column.dtype.kind not in "biuf" or column.ndim == 0 or len(column) != length:
        raise DataError(
            f"{ann_file}: column '{name.removeprefix(EXTRA)}': expected {length} numbers, or arrays of one "
            f"shape; found {column.dtype} of shape {column.shape}"
        )
    return column.astype(np.float32 if column.dtype.kind == "f" else np.int64)


def _encoded(names: list[str], ids: Any, ann_file: str) -> np.ndarray:
    """Image names as UTF-8, bytes (M,); a json may escape half of a surrogate pair, which has none."""
    for image_id, name in zip(ids, names, strict=True):
        check_image_name(name, f"{ann_file}: image id {image_id}")
    try:
        return np.array([name.encode("utf-8") for name in names], dtype=np.bytes_).reshape(-1)
    except UnicodeEncodeError as error:
        image = names.index(error.object)
        raise DataError(
            f"{ann_file}: image id {ids[image]}, field 'file_name': expected a name that UTF-8 can encode, "
            f"found {shown(error.object)}"
        ) from error


def _without_faults(table: PersonTable) -> PersonTable:
    faults = table.faults()
    bad = np.unique(np.concatenate([fault.rows for fault in faults])) if faults else np.zeros(0, dtype=int)
    left_out = table.counts.get("bad_record", 0) + len(bad)
    table = table.select(np.setdiff1d(np.arange(len(table)), bad))
    return replace(table, counts={**table.counts, "bad_record": left_out})
