"""Pictures: poses and heatmaps on photos, sheets of them, and learning curves.

``drawing`` draws on one image, ``heatmaps`` lays maps over a crop, ``samples`` shows what the network is fed,
``cases`` predictions from the worst to the best, ``sheets`` arranges many pictures, ``curves`` reads a run's
records and draws them; the figures of the study are in :mod:`posekit.study`. Images are uint8 (H, W, 3) RGB
everywhere; every function returns a new image and leaves its input as it was. Line widths and letters follow
the image's size.
"""

from posekit.visualization.cases import draw_errors, pose_error, prediction_sheet
from posekit.visualization.curves import plot_curves
from posekit.visualization.drawing import (
    draw_people,
    draw_pose,
    draw_poses,
    save_image,
    scores_from_visible,
)
from posekit.visualization.heatmaps import (
    flip_sheet,
    heatmap_sheet,
    overlay_difference,
    overlay_heatmaps,
    target_sheet,
)
from posekit.visualization.records import read_scalars
from posekit.visualization.samples import draw_sample, encode_targets, sample_sheet
from posekit.visualization.sheets import contact_sheet, crop_photo

__all__ = [
    "contact_sheet",
    "crop_photo",
    "draw_errors",
    "draw_people",
    "draw_pose",
    "draw_poses",
    "draw_sample",
    "encode_targets",
    "flip_sheet",
    "heatmap_sheet",
    "overlay_difference",
    "overlay_heatmaps",
    "plot_curves",
    "pose_error",
    "prediction_sheet",
    "read_scalars",
    "sample_sheet",
    "save_image",
    "scores_from_visible",
    "target_sheet",
]
