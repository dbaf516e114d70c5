"""Finds the pictures that annotations name: absolute or not, with backslashes, in sub-folders."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from posekit.datasets.importers.labels import Picture
from posekit.errors import DataError, shown
from posekit.io.images import image_size_hw, missing_images
from posekit.io.pictures import PICTURES

_ORIENTATION = 0x0112  # of EXIF: 5 to 8 are turned by 90 degrees
_UPRIGHT = "tools turn it by its EXIF entry before it is labelled, posekit does not: save it upright"


class PictureFolder:
    """The pictures of a folder and all its sub-folders.

    Args:
        root: The folder.

    Raises:
        DataError: If there is no such folder, or no picture in it.
    """

    def __init__(self, root: Path) -> None:
        if not root.is_dir():
            raise DataError(f"{root}: expected the folder of the pictures (--images), found none")
        self.root = root
        self._by_name: dict[str, list[tuple[str, ...]]] = {}
        for folder, folders, names in os.walk(root):
            folders.sort()
            for name in sorted(names):
                if name.lower().endswith(PICTURES):
                    parts = (*Path(folder).relative_to(root).parts, name)
                    self._by_name.setdefault(name, []).append(parts)
        if not self._by_name:
            raise DataError(
                f"{root}: expected pictures ({' '.join(PICTURES)}), found none; state --images DIR"
            )

    def find(self, name: str) -> str | None:
        """The picture that a name of an annotation means, as a path from the folder; None if there is none.

        The name itself, or what of it lies in the folder (``/home/me/images/1.jpg`` for ``1.jpg``), or the
        one picture of the sub-folders whose path ends so.

        Raises:
            DataError: If several do.
        """
        wanted = tuple(part for part in name.replace("\\", "/").split("/") if part not in ("", "."))
        candidates = self._by_name.get(wanted[-1], []) if wanted else []
        within = [parts for parts in candidates if wanted[-len(parts) :] == parts]
        if within:
            longest = max(within, key=len)
            return "/".join(longest)
        below = [parts for parts in candidates if parts[-len(wanted) :] == wanted]
        if len(below) > 1:
            found = " and ".join("/".join(parts) for parts in below[:2])
            raise DataError(
                f"{self.root}: expected one picture {shown(name)}, found {found}; give --images as the "
                "folder that the annotation's names start from"
            )
        return "/".join(below[0]) if below else None

    def sizes(self, pictures: Sequence[Picture], source: str) -> list[tuple[str, tuple[int, int]]]:
        """Path from the folder and size (height, width) of each picture.

        Raises:
            DataError: If a picture is missing, cannot be read or is of another size than stated.
        """
        names = [self.find(picture.name) for picture in pictures]
        missing = [picture.name for picture, name in zip(pictures, names, strict=True) if name is None]
        if missing:
            raise DataError(
                f"{source}: expected its {len(pictures)} pictures in {self.root}, found {len(missing)} of "
                f"them not there: {shown(missing)[1:-1]}; state --images DIR"
            )
        found = [name for name in names if name is not None]
        try:
            missing_images(self.root, found)  # refuses links that lead out of the folder
            return [(name, self._size(name, picture)) for name, picture in zip(found, pictures, strict=True)]
        except DataError as error:
            raise DataError(f"{source}: {error}") from error

    def _size(self, name: str, picture: Picture) -> tuple[int, int]:
        path = self.root / name
        size = image_size_hw(path)
        if picture.size_hw is None and lies_sideways(path):
            raise DataError(f"{path}: expected an upright picture, found one on its side; {_UPRIGHT}")
        if picture.size_hw in (None, size):
            return size
        height, width = picture.size_hw or (0, 0)
        words = f"picture {path}: expected {width} x {height} pixels as stated, found {size[1]} x {size[0]}"
        raise DataError(f"{words}; {_UPRIGHT}" if (width, height) == size else words)


def lies_sideways(path: Path) -> bool:
    """Whether a picture's EXIF entry says that viewers turn it by 90 degrees."""
    from PIL import Image

    try:
        with Image.open(path) as image:
            return int(image.getexif().get(_ORIENTATION, 1)) >= 5
    except (OSError, ValueError, TypeError, SyntaxError):  # no picture of PIL's, or a damaged entry
        return False
