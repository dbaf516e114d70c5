"""What a network makes of crops: its heatmaps, the halves of its flip test, and sheets of them.

Arrays have an axis N for the crops: maps float32 (N, C, h, w), points (N, K, 2) in input pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from posekit.models.heatmap_heads import heatmap_head, heatmaps_of
from posekit.structures import Sample
from posekit.visualization.heatmaps import beside, heatmap_sheet, panels
from posekit.visualization.samples import crop_of, draw_sample, label_of
from posekit.visualization.sheets import contact_sheet

if TYPE_CHECKING:
    from posekit.models import PoseEstimator

_BATCH = 8


def heatmap_size_hw(model: PoseEstimator, input_size_hw: tuple[int, int]) -> tuple[int, int]:
    """The size of the network's maps; a network on torch's "meta" device computes nothing for it."""
    import torch

    device = next(model.parameters()).device
    with torch.no_grad():
        outputs = model(torch.empty((1, 3, *input_size_hw), dtype=torch.uint8, device=device))[-1]
    maps = heatmaps_of(model, outputs)
    return int(maps.shape[-2]), int(maps.shape[-1])


def predicted_maps(model: PoseEstimator, samples: Sequence[Sample]) -> np.ndarray:
    """The heatmaps that the model decodes, averaged over flip and scales if it tests so; (N, C, h, w)."""
    return _compute(model, samples, lambda image: [model.heatmaps(image)])[0]


def flip_halves(model: PoseEstimator, samples: Sequence[Sample]) -> tuple[np.ndarray, np.ndarray]:
    """The heatmaps of the crops, and those of their mirror images turned back; each (N, C, h, w)."""

    def halves(image: Any) -> list[Any]:
        mirrored = model.last(image.flip(3).contiguous(memory_format=model.memory_format))
        size_hw = int(image.shape[-2]), int(image.shape[-1])
        turned = model.head.flip(mirrored, model.skeleton.flip_index, size_hw)
        return [heatmaps_of(model, model.last(image)), heatmaps_of(model, turned)]

    first, second = _compute(model, samples, halves)
    return first, second


def _compute(
    model: PoseEstimator, samples: Sequence[Sample], maps_of: Callable[[Any], list[Any]]
) -> list[np.ndarray]:
    """What ``maps_of`` makes of the normalised crops, each kind float32 (N, C, h, w)."""
    import torch

    device = next(model.parameters()).device
    collected = []
    with torch.no_grad():
        for part in parts(samples, _BATCH):
            image = torch.from_numpy(np.stack([np.asarray(sample.image) for sample in part])).to(device)
            collected.append([maps.float().cpu().numpy() for maps in maps_of(model.normalise(image))])
    return [np.concatenate(kind) for kind in zip(*collected, strict=True)]


def parts(items: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    """The items in pieces of ``size``, the last one shorter."""
    for start in range(0, len(items), size):
        yield items[start : start + size]


def label_maps(model: PoseEstimator, maps: np.ndarray) -> np.ndarray:
    """The maps without their offset maps, (N, K, h, w)."""
    return maps[:, :: heatmap_head(model, "label maps").codec.maps_per_keypoint]


def decoded_points(model: PoseEstimator, maps: np.ndarray, input_size_hw: tuple[int, int]) -> np.ndarray:
    """The points that maps decode to, (N, K, 2); NaN where a map has no peak."""
    import torch

    points, scores = heatmap_head(model, "decoding").decode(torch.from_numpy(maps), input_size_hw)
    return np.where(scores.numpy()[..., None] > 0, points.numpy(), np.nan)


def maps_overview(
    model: PoseEstimator,
    samples: Sequence[Sample],
    maps: Mapping[str, np.ndarray],
    points: Mapping[str, np.ndarray],
    *,
    difference: bool = False,
    weights: np.ndarray | None = None,
    panel_px: int = 224,
    columns: int = 2,
    title: str = "",
) -> np.ndarray:
    """A row of panels per crop: the truth, then every kind of map with the joints in one.

    Args:
        model: Says skeleton and codec.
        samples: N crops.
        maps: By name, (N, K, h, w), from left to right.
        points: Of some of the maps, by the same names: (N, K, 2).
        difference: Add a panel of the last map minus the first.
        weights: (N, K); joints of weight 0 are left out of the difference.
        panel_px: A panel's longer side, pixels.
        columns: Crops in a row of the sheet.
        title: A line above all.

    Returns:
        uint8 (H', W', 3) RGB.
    """
    rows = []
    for i, sample in enumerate(samples):
        shown = panels(
            crop_of(sample),
            {name: values[i] for name, values in maps.items()},
            points={name: values[i] for name, values in points.items()},
            joints=model.skeleton.keypoints,
            difference=difference,
            weight=None if weights is None else weights[i],
            alignment=heatmap_head(model, "pictures of heatmaps").codec.alignment,
            panel_px=panel_px,
        )
        rows.append(beside([draw_sample(sample, model.skeleton, panel_px=panel_px), shown]))
    captions = [label_of(sample) for sample in samples]
    return contact_sheet(rows, columns, captions, cell_size_hw=rows[0].shape[:2], title=title)


def joint_sheet(
    model: PoseEstimator,
    sample: Sample,
    maps: Mapping[str, np.ndarray],
    points: Mapping[str, np.ndarray],
    difference: bool = False,
    weight: np.ndarray | None = None,
) -> np.ndarray:
    """One crop, joint by joint: ``maps`` (K, h, w) and ``points`` (K, 2) by name, ``weight`` (K,).

    Returns:
        uint8 (H', W', 3) RGB, see :func:`~posekit.visualization.heatmap_sheet`.
    """
    return heatmap_sheet(
        crop_of(sample),
        maps,
        model.skeleton.keypoints,
        points=points,
        difference=difference,
        weight=weight,
        alignment=heatmap_head(model, "pictures of heatmaps").codec.alignment,
        title=label_of(sample),
    )
