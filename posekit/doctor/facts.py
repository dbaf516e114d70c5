"""The people of an annotation and what can be told of them: how it is to be read, who mirrors whom."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from posekit.datasets.table import PersonTable
from posekit.doctor.name_sides import named_pairs
from posekit.doctor.people import People
from posekit.doctor.reading import Reading, read_forms


@dataclass(frozen=True, eq=False)
class Facts(People):
    """People, and what is worked out of them once it is asked for."""

    @cached_property
    def reading(self) -> Reading:
        """Boxes and keypoints in pixels, whatever form the file has them in."""
        return read_forms(self)

    @cached_property
    def sides(self) -> np.ndarray:
        """int64 (K,): for each keypoint the one of the other side; itself where there is none.

        By the flip pairs, if any are stated, else by the names.
        """
        index = np.arange(len(self.names))
        for a, b in self.pairs or named_pairs(self.names):
            i, j = self.names.index(a), self.names.index(b)
            index[i], index[j] = j, i
        return index


def facts_of_table(table: PersonTable, mirrored: bool = False, boxes_stated: bool = False) -> Facts:
    """The facts of people that a loader has read.

    Args:
        table: The people.
        mirrored: See :class:`Facts`.
        boxes_stated: See :class:`Facts`; a table's may be clipped.
    """
    n = len(table)
    sizes = table.image_sizes_hw.astype(np.float64)
    boxes = table.boxes_xyxy.astype(np.float64)
    return Facts(
        file=table.ann_file,
        names=table.skeleton.keypoints,
        image_dir=table.image_dir,
        image_ids=table.image_ids,
        image_names=[name.decode("utf-8") for name in table.image_names.tolist()],
        sizes_hw=np.where(sizes > 0, sizes, np.nan),
        image=table.image_index.astype(np.int64),
        ids=table.person_ids,
        boxes=np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1),
        keypoints=table.keypoints.astype(np.float64),
        visible=table.visible.astype(np.int64),
        areas=np.full(n, np.nan),
        stated=np.full(n, np.nan),
        record=np.arange(n),
        categories=np.zeros(n, np.int64),
        pairs=table.skeleton.flip_pairs,
        mirrored=mirrored,
        boxes_stated=boxes_stated,
    )
