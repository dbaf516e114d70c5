"""The landmarks of the public face data sets, and the two distances between eyes that errors are measured in.

Left and right are the person's own, as everywhere in posekit: the eye on the picture's left of a frontal face
is the right one. Points of one meaning have one name in all sets ("right_eye" is a pupil or an eye's middle,
as in COCO; "nose" the tip), so that a ``keypoint_map="names"`` leads from one set to another. The orders are
those of the sets' files; tables in the literature count from 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from posekit.errors import ConfigError
from posekit.structures import Skeleton

# Nobody has published any for faces: a value to track and to draw by, for which no OKS is to be compared.
_SIGMA = 0.05


def _run(part: str, first: int, last: int) -> str:
    """``part_first part_.. part_last``, upwards or downwards."""
    step = 1 if last >= first else -1
    return " ".join(f"{part}_{number}" for number in range(first, last + step, step))


def _face(name: str, keypoints: str, lines: str) -> Skeleton:
    """A skeleton from blank-separated names; ``lines`` are runs of points, "a-b" of numbers, "," apart.

    A run that ends in "o" is closed. Mirror pairs follow from ``left_x`` and ``right_x``.
    """
    names = tuple(keypoints.split())
    limbs = []
    for line in lines.split(","):
        first, last = (int(number) for number in line.strip().rstrip("o").split("-"))
        run = [*range(first, last + 1), *([first] if line.endswith("o") else [])]
        limbs += [(names[a], names[b]) for a, b in pairwise(run)]
    pairs = tuple((n, n.replace("left_", "right_")) for n in names if n.startswith("left_"))
    return Skeleton(
        name=name, keypoints=names, flip_pairs=pairs, limbs=tuple(limbs), sigmas=(_SIGMA,) * len(names)
    )


# Sagonas et al., "300 faces in-the-wild challenge", Image and Vision Computing 47, 2016; order of iBUG.
IBUG68 = _face(
    "ibug68",
    f"{_run('right_jaw', 0, 7)} chin {_run('left_jaw', 7, 0)} "
    f"right_brow_outer {_run('right_brow', 1, 3)} right_brow_inner "
    f"left_brow_inner {_run('left_brow', 3, 1)} left_brow_outer "
    f"{_run('nose_bridge', 0, 2)} nose "
    "right_nostril_outer right_nostril_inner nose_base left_nostril_inner left_nostril_outer "
    "right_eye_outer right_eye_top_0 right_eye_top_1 right_eye_inner right_eye_bottom_1 right_eye_bottom_0 "
    "left_eye_inner left_eye_top_1 left_eye_top_0 left_eye_outer left_eye_bottom_0 left_eye_bottom_1 "
    "right_mouth_corner right_upper_lip_0 right_upper_lip_1 upper_lip left_upper_lip_1 left_upper_lip_0 "
    "left_mouth_corner left_lower_lip_0 left_lower_lip_1 lower_lip right_lower_lip_1 right_lower_lip_0 "
    "right_mouth_inner right_upper_lip_inner upper_lip_inner left_upper_lip_inner "
    "left_mouth_inner left_lower_lip_inner lower_lip_inner right_lower_lip_inner",
    "0-16,17-21,22-26,27-30,31-35,36-41o,42-47o,48-59o,60-67o",
)

# Wu et al., "Look at boundary: a boundary-aware face alignment algorithm", CVPR 2018.
WFLW98 = _face(
    "wflw98",
    f"{_run('right_jaw', 0, 15)} chin {_run('left_jaw', 15, 0)} "
    f"right_brow_outer {_run('right_brow_top', 1, 3)} right_brow_inner {_run('right_brow_bottom', 3, 0)} "
    f"left_brow_inner {_run('left_brow_top', 3, 1)} left_brow_outer {_run('left_brow_bottom', 0, 3)} "
    f"{_run('nose_bridge', 0, 2)} nose "
    "right_nostril_outer right_nostril_inner nose_base left_nostril_inner left_nostril_outer "
    f"right_eye_outer {_run('right_eye_top', 0, 2)} right_eye_inner {_run('right_eye_bottom', 2, 0)} "
    f"left_eye_inner {_run('left_eye_top', 2, 0)} left_eye_outer {_run('left_eye_bottom', 0, 2)} "
    "right_mouth_corner right_upper_lip_0 right_upper_lip_1 upper_lip left_upper_lip_1 left_upper_lip_0 "
    "left_mouth_corner left_lower_lip_0 left_lower_lip_1 lower_lip right_lower_lip_1 right_lower_lip_0 "
    "right_mouth_inner right_upper_lip_inner upper_lip_inner left_upper_lip_inner "
    "left_mouth_inner left_lower_lip_inner lower_lip_inner right_lower_lip_inner right_eye left_eye",
    "0-32,33-41o,42-50o,51-54,55-59,60-67o,68-75o,76-87o,88-95o",
)

# Burgos-Artizzu, Perona & Dollar, "Robust face landmark estimation under occlusion", ICCV 2013.
COFW29 = _face(
    "cofw29",
    "right_brow_outer left_brow_outer right_brow_inner left_brow_inner "
    "right_brow_top right_brow_bottom left_brow_top left_brow_bottom "
    "right_eye_outer left_eye_outer right_eye_inner left_eye_inner "
    "right_eye_top right_eye_bottom left_eye_top left_eye_bottom right_eye left_eye "
    "right_nostril_outer left_nostril_outer nose nose_base right_mouth_corner left_mouth_corner "
    "upper_lip upper_lip_inner lower_lip_inner lower_lip chin",
    "20-21,24-28",
)

# Zhu et al., "Unconstrained face alignment via cascaded compositional learning", CVPR 2016 (AFLW-Full): the
# 21 points of Koestinger et al., BeFIT 2011, without the ears.
AFLW19 = _face(
    "aflw19",
    "right_brow_outer right_brow right_brow_inner left_brow_inner left_brow left_brow_outer "
    "right_eye_outer right_eye right_eye_inner left_eye_inner left_eye left_eye_outer "
    "right_nostril_outer nose left_nostril_outer right_mouth_corner mouth left_mouth_corner chin",
    "0-2,3-5,6-8,9-11,12-14,15-17",
)

# Zhang et al., "Facial landmark detection by deep multi-task learning", ECCV 2014; its left is the picture's.
MTFL5 = _face("mtfl5", "right_eye left_eye nose right_mouth_corner left_mouth_corner", "0-1,3-4")

FACES = (IBUG68, WFLW98, COFW29, AFLW19, MTFL5)

INTER_OCULAR, INTER_PUPIL = "inter_ocular", "inter_pupil"


def eye_points(norm: str, keypoints: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """The points whose means a distance between the eyes is taken of: the right eye's and the left eye's.

    Args:
        norm: "inter_ocular": between the outer corners (300-W's 36 and 45, WFLW's 60 and 72, COFW's 8 and 9,
            AFLW's 6 and 11); "inter_pupil": between the pupils or the eyes' middles, where a set has such
            points, else between the means of the points around each eye (300-W's 36-41 and 42-47).
        keypoints: K names.

    Returns:
        Two int64 arrays of keypoint numbers.

    Raises:
        ConfigError: If there are no such points, or ``norm`` is none of the two.
    """
    if norm not in (INTER_OCULAR, INTER_PUPIL):
        raise ConfigError(f"expected 'inter_ocular' or 'inter_pupil', found {norm!r}")
    both = []
    for side in ("right", "left"):
        if norm == INTER_OCULAR:
            found = [k for k, name in enumerate(keypoints) if name == f"{side}_eye_outer"]
        elif f"{side}_eye" in keypoints:
            found = [list(keypoints).index(f"{side}_eye")]
        else:
            found = [k for k, name in enumerate(keypoints) if name.startswith(f"{side}_eye_")]
        both.append(np.array(found, np.int64))
    if not all(map(len, both)):
        wanted = "right_eye_outer and left_eye_outer" if norm == INTER_OCULAR else "right_eye and left_eye"
        raise ConfigError(
            f"norm '{norm}' needs the keypoints {wanted}, which are not among {list(keypoints)}; choose "
            "another norm"
        )
    return both[0], both[1]
