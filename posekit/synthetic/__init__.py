"""The embedded data set: rendered people, written to disk as COCO and MPII files.

``write_synthetic_people`` is the whole interface; the rest of posekit reads the files it writes exactly
as it reads COCO and MPII. One image's way: :mod:`poses` draws joint angles, :mod:`body` turns them into a
3-D skeleton, :mod:`look` draws clothes and colours, :mod:`solids` and :mod:`figure` make flat shapes of
both, :mod:`scene` puts figures, occluders and the image's border together, :mod:`render` draws the pixels,
:mod:`records` makes the annotation and :mod:`writer` the files.

Everything random comes from ``np.random.default_rng((seed, split, index))``; annotations are computed
by numpy alone, so that another OpenCV may change a pixel but never a label.
"""

from __future__ import annotations

from posekit.synthetic.writer import write_synthetic_people

__all__ = ["write_synthetic_people"]
