"""What the network is fed: crops with their keypoints, and the targets that a codec draws from them.

Crops are uint8 (3, H, W) RGB in a :class:`~posekit.structures.Sample`, pictures uint8 (H, W, 3) RGB.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from posekit.structures import Sample, Skeleton
from posekit.visualization.drawing import draw_pose
from posekit.visualization.heatmaps import beside, overlay_heatmaps
from posekit.visualization.sheets import contact_sheet, fit

if TYPE_CHECKING:
    from posekit.codecs import Codec


def crop_of(sample: Sample) -> np.ndarray:
    """A sample's crop as a picture, uint8 (H, W, 3)."""
    return np.ascontiguousarray(np.asarray(sample.image).transpose(1, 2, 0))


def label_of(sample: Sample) -> str:
    """Image and person id in words."""
    return f"image {int(sample.image_id)} / person {int(sample.person_id)}"


def encode_targets(
    samples: Sequence[Sample], codec: Codec, heatmap_size_hw: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """The label maps of N crops and the weights that remain, as the loss gets them.

    Args:
        samples: Crops of one size.
        codec: Of the network's head. Of one with offset maps, the label maps are returned.
        heatmap_size_hw: Size of the network's maps, cells.

    Returns:
        float32 (N, K, h, w) and float32 (N, K), 0 for a keypoint that is not labelled, outside its image or
        outside the map.
    """
    import torch

    points = torch.from_numpy(np.stack([np.asarray(s.keypoints, np.float32) for s in samples]))
    weight = torch.from_numpy(np.stack([np.asarray(s.weight, np.float32) for s in samples]))
    target, weight = codec.encode(points, weight, samples[0].image.shape[-2:], heatmap_size_hw)
    return target[:, :: codec.maps_per_keypoint].numpy(), weight.numpy()


def draw_sample(
    sample: Sample,
    skeleton: Skeleton,
    target: np.ndarray | None = None,
    weight: np.ndarray | None = None,
    *,
    alignment: str = "strided",
    peak: float = 1.0,
    panel_px: int = 224,
) -> np.ndarray:
    """Draws a crop with its keypoints, and beside it with its target.

    Args:
        sample: One crop.
        skeleton: What the keypoints are.
        target: (K, h, w), see :func:`encode_targets`; None: the crop alone.
        weight: (K,), what is left of the weight in the target: keypoints without any are hollow rings.
        alignment: The codec's.
        peak: The codec's.
        panel_px: The longer side of either picture, pixels.

    Returns:
        uint8 (H', W', 3) RGB.
    """
    crop = crop_of(sample)
    picture, scale = fit(crop, (panel_px, panel_px))
    labelled = np.asarray(sample.weight) > 0
    learned = labelled if weight is None else labelled & (np.asarray(weight) > 0)
    scores = np.where(learned, 1.0, np.where(labelled, 0.25, 0.0))
    points = (np.asarray(sample.keypoints, np.float64) + 0.5) * scale - 0.5
    posed = draw_pose(picture, points, scores, skeleton)
    if target is None:
        return posed
    overlay = overlay_heatmaps(crop, target, peak=peak, alignment=alignment)
    return beside([posed, fit(overlay, (panel_px, panel_px))[0]])


def sample_sheet(
    samples: Sequence[Sample],
    skeleton: Skeleton,
    codec: Codec | None,
    heatmap_size_hw: tuple[int, int],
    *,
    panel_px: int = 224,
    columns: int | None = None,
    title: str = "",
) -> np.ndarray:
    """Lays out what the network is fed: per crop its keypoints, its target, its image and person id.

    Args:
        samples: N crops of one size.
        skeleton: What the keypoints are.
        codec: Of the network's head; None, of a head that has none: the crops alone are drawn.
        heatmap_size_hw: Size of the network's maps, cells.
        panel_px: See :func:`draw_sample`.
        columns: See :func:`~posekit.visualization.contact_sheet`.
        title: See :func:`~posekit.visualization.contact_sheet`.

    Returns:
        uint8 (H', W', 3) RGB.
    """
    if codec is None:
        pictures = [draw_sample(sample, skeleton, panel_px=panel_px) for sample in samples]
    else:
        targets, weights = encode_targets(samples, codec, heatmap_size_hw)
        pictures = [
            draw_sample(
                sample, skeleton, target, weight,
                alignment=codec.alignment, peak=codec.peak, panel_px=panel_px,
            )
            for sample, target, weight in zip(samples, targets, weights, strict=True)
        ]  # fmt: skip
    captions = [label_of(sample) for sample in samples]
    return contact_sheet(pictures, columns, captions, cell_size_hw=pictures[0].shape[:2], title=title)


def describe_people(dataset: Any) -> str:
    """How many people, images and joints a data set has, its crops and its augmentation, in some lines.

    Args:
        dataset: A ``TopDownDataset``; of any other its length alone is told.
    """
    table: Any = getattr(dataset, "table", None)
    if not hasattr(table, "visible"):
        return f"{len(dataset):,} samples of a {type(dataset).__name__}"
    augment, settings = dataset.augment, "none"
    if augment is not None:
        listed = ", ".join(f"{key}={value}" for key, value in vars(augment).items())
        settings = f"{type(augment).__name__}({listed})"
    labelled, hidden = table.visible > 0, table.visible == 1
    lines = [
        f"{len(table):,} people on {len(np.unique(table.image_index)):,} images, {table.ann_file}",
        f"boxes: {table.box_source}; crop: {dataset.crop}",
        f"augmentation: {settings}",
    ]
    if getattr(dataset, "pixels", None) is not None:
        lines.append(f"pixels: {', '.join(map(str, dataset.pixels.changes))}")
    if table.counts:
        told = ", ".join(f"{name} {number:,}" for name, number in table.counts.items())
        lines.append(f"left out, or without weight: {told}")
    lines.append(f"joints{'labelled':>24}{'of them hidden':>18}")
    names = [*table.skeleton.keypoints, "all"]
    totals = [(*labelled.sum(axis=0), labelled.sum()), (*hidden.sum(axis=0), hidden.sum())]
    lines += [
        f"  {name:<18}{known:>10,}{unseen:>18,}" for name, known, unseen in zip(names, *totals, strict=True)
    ]
    return "\n".join(lines)
