"""Where an image that is missing may be meant: a file of nearly its name."""

from __future__ import annotations

import os
from pathlib import Path

from posekit.io.images import list_folder


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
