"""A column that says how far each person's pose is from the middle one, so that scores can be split by it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from posekit.datasets.balance import align_shapes, first_component
from posekit.datasets.table import PersonTable
from posekit.datasets.topdown import load_people
from posekit.errors import ConfigError
from posekit.registry import DATASETS
from posekit.structures import Skeleton

YAW_EDGES = (0.1, 0.2)


@DATASETS.register_module()
def with_pose_groups(
    source: PersonTable | Mapping[str, Any],
    skeleton: Skeleton | str | Mapping[str, Any] | None = None,
    data_root: str = "",
    column: str = "yaw",
    edges: Sequence[float] = YAW_EDGES,
) -> PersonTable:
    """The people of a source with the group of their pose as a further column; of faces it follows yaw.

    The labelled shapes are aligned (:func:`~posekit.datasets.balance.align_shapes`), each of norm 1, and
    projected on their first principal component, as pose-based data balancing does (Feng et al., "Wing loss",
    CVPR 2018). The group is the number of ``edges`` that the projection's magnitude reaches: of 300-W's faces
    0 is about frontal, 1 turned, 2 far turned, to either side. Only labels are looked at, and all people of
    the source are: take a ``subset`` behind it.

    Args:
        source: A table, or a loader and its settings.
        skeleton: Handed to the loader, unless it states one.
        data_root: Likewise.
        column: The column's name.
        edges: Ascending, above 0; the shapes' norm is 1.

    Returns:
        The table with the column, int64 (N,); -1 for those who lack a keypoint.

    Raises:
        ConfigError: On edges that are not ascending, a column that is there already, or if nobody has all
            keypoints.
    """
    limits = np.asarray(edges, np.float64)
    if limits.ndim != 1 or not len(limits) or not (np.diff(limits, prepend=0.0) > 0).all():
        raise ConfigError(f"with_pose_groups: 'edges': expected ascending numbers above 0, found {edges!r}")
    if isinstance(source, Mapping) and data_root:
        source = {"data_root": data_root, **source}
    table = load_people(source, skeleton)
    if column in table.extra:
        raise ConfigError(f"with_pose_groups: {table.ann_file} has a column '{column}'; name another")
    shapes = table.keypoints.astype(np.float64)
    whole = (table.visible > 0).all(axis=1) & (shapes != shapes[:, :1]).any(axis=(1, 2))
    if not whole.any():
        raise ConfigError(f"with_pose_groups: nobody in {table.ann_file} has all keypoints")
    groups = np.full(len(table), -1, np.int64)
    far = np.abs(first_component(align_shapes(shapes[whole])[0]).projections)
    groups[whole] = np.searchsorted(limits, far, side="right")
    return replace(table, extra={**table.extra, column: groups})
