"""What people have - files, addresses, patterns, folders, arrays, PIL images - as uint8 (H, W, 3) RGB.

A user's own photo is turned as its EXIF entry says; annotated data are not (``posekit.io.images``).
"""

from __future__ import annotations

import glob
import os
import re
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from posekit.errors import DataError
from posekit.io.deep_levels import warn_of_dark_levels
from posekit.io.images import PICTURES, cv2, read_image
from posekit.io.video import FILMS
from posekit.io.web_pictures import fetch_picture, is_url

__all__ = ["PICTURES", "is_picture", "load_rgb", "other_files", "picture_files", "rgb_from_array"]

_IN_FOLDERS = (*PICTURES, ".gif")  # which by itself is taken for a film
_LISTED = 5


def load_rgb(image: Any) -> np.ndarray:
    """An image of any supported kind as uint8 (H, W, 3) RGB.

    Args:
        image: The path of an image file, or its http(s) address, from which it is downloaded
            (:func:`~posekit.io.web_pictures.fetch_picture`) and not kept; an array, see
            :func:`rgb_from_array`; or a PIL image.

    Raises:
        DataError: If it cannot be read, is empty or is of another kind.
    """
    if isinstance(image, (str, os.PathLike)):
        name = os.fspath(image)
        if not name or "\0" in name:
            raise DataError(f"image: expected the path of a file, found {name!r}")
        if is_url(name):
            return _from_the_web(name)
        if advice := no_path(name):
            raise DataError(f"{name}: {advice}")
        return read_image(name, orientation="apply")
    if isinstance(image, np.ndarray):
        return rgb_from_array(image)
    # Without importing PIL for those who do not use it.
    if any(kind.__module__.startswith("PIL.") for kind in type(image).__mro__):
        return _rgb_from_pil(image)
    raise DataError(
        f"image: expected a path, an RGB array (H, W, 3) or a PIL image, found {type(image).__name__} "
        "(several images: a list; any other iterable: Predictor.stream)"
    )


def _from_the_web(url: str) -> np.ndarray:
    with tempfile.TemporaryDirectory(prefix="posekit-") as folder:
        path = fetch_picture(url, folder)
        if path.suffix.lower() in FILMS and path.suffix.lower() != ".gif":
            raise DataError(f"{url}: is a film; tools/demo.py takes one")
        try:
            return read_image(path, orientation="apply")
        except DataError as error:
            raise DataError(str(error).replace(str(path), url)) from error


def is_pattern(name: str) -> bool:
    """Whether a name is a pattern with ``*``, ``?`` or ``[...]``, of which no file is there."""
    return re.search(r"[*?]|\[.+\]", name) is not None and not os.path.lexists(name)


def pattern_files(pattern: str) -> tuple[list[Path], str]:
    """What a pattern stands for, by name, hidden files aside; ``**`` are folders of any depth.

    Returns:
        Its pictures, films and folders; and what else it matches, in words as of :func:`other_files`.

    Raises:
        DataError: If there is no such file.
    """
    paths = [Path(name) for name in sorted(glob.glob(pattern, recursive=True))]  # noqa: PTH207 (absolute too)
    found = [path for path in paths if path.is_dir() or is_picture(path) or path.suffix.lower() in FILMS]
    others = _named([path for path in paths if path not in set(found)])
    if not found:
        raise DataError(f"{pattern}: no picture has a name of this pattern{f', but {others}' * bool(others)}")
    return found, others


def no_path(name: str) -> str:
    """What to do with a pattern of names, of which no file is there; "" for anything else."""
    if is_pattern(name):
        return "is a pattern; among several images each must be one: give it by itself"
    if re.search(r"%0?\d*d", name) and not os.path.lexists(name):
        stars = re.sub(r"%0?\d*d", "*", name)
        return f"is a pattern, of no file's own; give '{stars}', or the folder"
    return ""


def rgb_from_array(image: np.ndarray) -> np.ndarray:
    """Gray (H, W) or (H, W, 1), RGB (H, W, 3) or RGBA (H, W, 4) as uint8 (H, W, 3); alpha is dropped.

    16-bit levels lose their lower byte, as OpenCV has it when it reads such a file
    (:func:`~posekit.io.deep_levels.warn_of_dark_levels`). A uint8 RGB array is
    returned as it is, without a copy.

    Raises:
        DataError: On another number of channels, no pixels, or levels that are not uint8 or uint16 (which of
            0..1 and 0..255 a float array means cannot be known).
    """
    found = f"found {image.dtype} {image.shape}"
    if image.dtype not in (np.uint8, np.uint16):
        raise DataError(f"image: expected levels in uint8 (0..255) or uint16, {found}")
    channels = 1 if image.ndim == 2 else image.shape[2] if image.ndim == 3 else 0
    if channels not in (1, 3, 4):
        raise DataError(f"image: expected (H, W), (H, W, 1), (H, W, 3) or (H, W, 4), {found}")
    if image.size == 0:
        raise DataError(f"image: there is no pixel in it, {found}")
    if image.dtype == np.uint16:
        warn_of_dark_levels(image, "image: an array")
        image = (image >> 8).astype(np.uint8)
    if channels == 1:
        return np.repeat(image.reshape(*image.shape[:2], 1), 3, axis=2)
    return np.ascontiguousarray(image[..., :3])


def _rgb_from_pil(image: Any) -> np.ndarray:
    from PIL import ImageOps

    try:
        image = ImageOps.exif_transpose(image)
        if image.mode.startswith("I"):  # 16 bits, whatever the container
            return rgb_from_array(np.asarray(image).clip(0, 0xFFFF).astype(np.uint16))
        return rgb_from_array(np.asarray(image.convert("RGB")))
    except DataError:
        raise
    except (OSError, SyntaxError, ValueError) as error:  # PIL decodes, and complains, only now
        raise DataError(f"image {getattr(image, 'filename', '') or '(PIL)'}: {error}") from error


def is_picture(path: Path) -> bool:
    """Whether an existing file is taken for an image: by its name, else by its first bytes."""
    suffix = path.suffix.lower()
    return suffix in PICTURES or (suffix not in FILMS and cv2.haveImageReader(str(path)))


def picture_files(folder: str | os.PathLike[str]) -> list[Path]:
    """The image files of a folder (not of its subfolders), by name; of a GIF the first picture counts.

    What has an image's name but is a folder or a pipe is none; a link that leads nowhere is listed, so that
    reading it says so.

    Raises:
        DataError: If it cannot be listed.
    """
    return [path for path in _files(folder) if path.suffix.lower() in _IN_FOLDERS]


def folder_pictures(folder: str | os.PathLike[str]) -> tuple[list[Path], str]:
    """:func:`picture_files` and :func:`other_files` of a folder.

    Raises:
        DataError: If it cannot be listed, or holds no image.
    """
    files, others = picture_files(folder), other_files(folder)
    if not files:
        found = f", but {others}" if others else ""
        raise DataError(f"{os.fspath(folder)}: the folder holds no images ({' '.join(PICTURES)}){found}")
    return files, others


def other_files(folder: str | os.PathLike[str]) -> str:
    """What :func:`picture_files` leaves out of a folder, hidden files aside, with advice; "" if nothing.

    Raises:
        DataError: If it cannot be listed.
    """
    return _named([path for path in _files(folder) if path.suffix.lower() not in _IN_FOLDERS])


def _named(others: list[Path]) -> str:
    if not others:
        return ""
    others.sort(key=lambda path: not _advice(path))  # what may have been meant comes first
    names = ", ".join(path.name + _advice(path) for path in others[:_LISTED])
    what = "1 file that is no picture" if len(others) == 1 else f"{len(others)} files that are no pictures"
    return f"{what}: {names}{', ...' if len(others) > _LISTED else ''}"


def _advice(path: Path) -> str:
    suffix = path.suffix.lower()
    if suffix in (".heic", ".heif"):
        return " (HEIC: convert it to JPEG first)"
    return " (give a video by itself)" if suffix in FILMS else ""


def _files(folder: str | os.PathLike[str]) -> list[Path]:
    """The files of a folder and its links to nowhere, by name, hidden ones aside."""
    try:
        named = [path for path in Path(folder).iterdir() if not path.name.startswith(".")]
        return sorted(path for path in named if path.is_file() or not path.exists())
    except OSError as error:
        raise DataError(f"{os.fspath(folder)}: cannot be listed: {error.strerror or error}") from error
