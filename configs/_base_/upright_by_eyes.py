"""Faces turned until the line between the eyes is level: what the configs of two stages correct."""

from posekit.transforms import Line, Upright

_eye = ["outer", "top_0", "top_1", "inner", "bottom_1", "bottom_0"]
_upright = dict(
    type=Upright,
    turn=dict(
        type=Line, start=[f"right_eye_{point}" for point in _eye], end=[f"left_eye_{point}" for point in _eye]
    ),
)
