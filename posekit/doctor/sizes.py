"""Whether the sizes that an annotation states are those of the pictures, and which way up these are.

A labelling tool shows pictures as their EXIF orientation says, and its width, height and labels are those of
the turned picture. posekit reads annotated pictures as the labels mean them (:mod:`posekit.datasets.pictures`), other
programs perhaps not.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from posekit.doctor.exif import TURNED, UPRIGHT
from posekit.doctor.facts import Facts
from posekit.doctor.finding import Finding, of_images
from posekit.doctor.stated_sizes import exchanged, same_sizes


def check_sizes(facts: Facts) -> list[Finding]:
    """Sizes of another picture, exchanged width and height, and turned pictures."""
    pictures, stated = facts.pictures, facts.sizes_hw
    if pictures is None:
        return []
    stored, looked = pictures.sizes_hw, int(pictures.looked.sum())
    known = np.isfinite(stored).all(axis=1)
    turned = known & np.isin(pictures.turned, TURNED)
    swapped = exchanged(facts)
    oblong = ~same_sizes(stored, stored[:, ::-1])
    upright = turned & oblong & same_sizes(stated, stored[:, ::-1])
    unsure = known & (pictures.turned != UPRIGHT) & ~(turned & oblong)
    silent = turned & oblong & np.isnan(stated).any(axis=1)
    differs = known & np.isfinite(stated).all(axis=1) & ~same_sizes(stated, stored) & ~swapped & ~upright
    return [
        *of_images(
            "picture_turned", upright | silent, looked,
            "the EXIF entry says to turn the picture, and the file's width and height are the turned one's",
            "posekit says at the start how it reads them; other programs learn the labels at the wrong places.",
            "Turn the pictures for good (e.g. `mogrify -auto-orient`) to be sure.",
        ),
        *of_images(
            "picture_perhaps_turned", unsure, looked,
            "the EXIF entry says to turn or mirror the picture, which its size does not show",
            "The labels may be the turned picture's, or the stored one's.",
            "Look at the sheet; if they are the turned one's, turn the pictures for good.",
        ),
        *of_images(
            "width_height_exchanged", swapped & pictures.looked, looked,
            "'width' and 'height' are exchanged",
            "posekit takes the picture's own size; others clip boxes at the wrong sides, and lose people.",
            "Exchange them; --fix does.",
            mended=True,
        ),
        *of_images("size_differs", differs, looked, *_other_size(facts, differs)),
    ]  # fmt: skip


def _other_size(facts: Facts, rows: np.ndarray) -> tuple[str, str, str]:
    """Whose pixels the labels are, of the pictures of another size than stated, in words."""
    assert facts.pictures is not None
    on = np.isin(facts.image, np.flatnonzero(rows))
    points, labelled = facts.reading.points[on], facts.labelled[on]
    reach = np.where(labelled[..., None], points, 0).max(axis=1, initial=0)
    stored, stated = (a[facts.image[on]][:, ::-1] for a in (facts.pictures.sizes_hw, facts.sizes_hw))
    beyond_stored, beyond_stated = ((reach > a + 2).any(axis=1).sum() for a in (stored, stated))
    found = "the picture is of another size than the file says"
    if beyond_stored > beyond_stated:
        return (
            f"{found}, and labels lie beyond the picture",
            "The labels are pixels of a picture of the stated size; they are learnt at the wrong places.",
            "Scale boxes and keypoints by the picture's size / the stated one, or use the pictures they were "
            "made on.",
        )
    if beyond_stated > beyond_stored:
        return (
            f"{found}, and labels lie beyond the stated size, within the picture",
            "Boxes are clipped at the wrong sides.",
            "State the pictures' own width and height.",
        )
    return (
        found,
        "If the labels were made on a picture of the stated size, they are learnt at the wrong places.",
        "Look at the sheet: are joints displaced, scale boxes and keypoints; else state the right size.",
    )


def check_files(facts: Facts) -> list[Finding]:
    """Pictures that cannot be read."""
    if facts.pictures is None:
        return _no_folder(facts)
    rows = np.array(sorted(facts.pictures.faults), dtype=np.int64)
    example = next(iter(facts.pictures.faults.values()), "")
    return of_images(
        "picture_unreadable", rows, int(facts.pictures.looked.sum()),
        f"the picture cannot be read (e.g. {example})",
        "A training ends there, or takes another person's picture in its place.",
        "Fetch the files again, or take their records out.",
    )  # fmt: skip


def _no_folder(facts: Facts) -> list[Finding]:
    if facts.image_dir is None or Path(facts.image_dir).is_dir():
        return []
    return of_images(
        "image_folder_missing", facts.used, len(facts.used),
        f"their folder {facts.image_dir} is not there",
        "A training refuses to start.",
        "State the right 'image_dir' or --images.",
    )  # fmt: skip
