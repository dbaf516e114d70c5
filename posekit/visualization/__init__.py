"""Pictures: poses and heatmaps on photos, sheets of them, and learning curves.

``drawing`` draws on one image, ``sheets`` arranges many, ``curves`` reads a run's records. Images are
uint8 (H, W, 3) RGB everywhere; every function returns a new image and leaves its input as it was.
"""

from posekit.visualization.curves import plot_curves, read_scalars
from posekit.visualization.drawing import (
    draw_box,
    draw_line,
    draw_pose,
    overlay_heatmaps,
    save_image,
    scores_from_visible,
)
from posekit.visualization.sheets import contact_sheet, crop_photo, prediction_sheet
from posekit.visualization.text import draw_text

__all__ = [
    "contact_sheet",
    "crop_photo",
    "draw_box",
    "draw_line",
    "draw_pose",
    "draw_text",
    "overlay_heatmaps",
    "plot_curves",
    "prediction_sheet",
    "read_scalars",
    "save_image",
    "scores_from_visible",
]
