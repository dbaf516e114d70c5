"""Where an image that is missing may be meant: a file of nearly its name."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from posekit.io.images import list_folder


def missing_message(ann_file: str, image_dir: str, missing: Sequence[str], number: int) -> str:
    """Says which of so many images of an annotation file are missing, and where the first may be meant."""
    listed = f"{', '.join(missing[:5])}{', ...' if len(missing) > 5 else ''}"
    advice = near_image(image_dir, missing[0])
    return (
        f"{ann_file}: {len(missing)} of {number} images not found in {image_dir}: {listed}"
        f"{f'. {advice}' if advice else ''}"
    )


def near_image(image_dir: str | os.PathLike[str], name: str) -> str:
    """Advice where a missing image is there without its folder, in another case or with another suffix.

    Args:
        image_dir: The image folder.
        name: One of :func:`~posekit.io.images.missing_images`.

    Returns:
        A sentence; "" if nothing like it is there.
    """
    root = Path(image_dir)
    folder, _, base = name.rpartition("/")
    if folder and base in list_folder(root, ""):
        up = f"{root.parent} for {root}" if root.resolve().parts[-1:] == tuple(folder.split("/")[-1:]) else ""
        remedy = f"give the image folder one level up ({up}), or write" if up else "write"
        return f"{base} is there: {remedy} the names without '{folder}/'"
    beside = sorted(list_folder(root, folder))
    for there in beside:
        if there.lower() == base.lower():
            return f"{there} is there, in another case: write the names as the files are called"
    for there in beside:
        if Path(there).stem.lower() == Path(base).stem.lower():
            return f"{there} is there, with another suffix: write the names as the files are called"
    return ""
