"""Finds the pictures that annotations name: absolute or not, with backslashes, in sub-folders."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from posekit.datasets.importers.labels import Picture
from posekit.errors import DataError, shown
from posekit.io.images import missing_images, read_header
from posekit.io.pictures import PICTURES
from posekit.io.stored_sizes import image_size_hw

_TURNED = (
    "labelling tools turn it, or do not, and nothing tells what its labels were made on; save it upright, "
    "without the entry, as it was labelled"
)


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

        The size of a picture that was labelled upright, as its EXIF entry turns it, is the upright one.

        Raises:
            DataError: If a picture is missing, cannot be read or is of another size than stated; or if EXIF
                turns it and the size does not tell whether its labels were made so.
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
        """The size of a picture as it was labelled: that of its rows, or of the picture turned by EXIF."""
        path = self.root / name
        size, header = image_size_hw(path), read_header(self.root, name)
        entry, turned = (header.orientation, header.turned_hw) if header else (1, size)
        if entry != 1 and (picture.size_hw is None or picture.size_hw == size == turned):
            raise DataError(
                f"{path}: expected a picture without an EXIF turn, found EXIF orientation {entry}; {_TURNED}"
            )
        if picture.size_hw in (None, size, turned):
            return picture.size_hw or size
        height, width = picture.size_hw or (0, 0)
        words = f"picture {path}: expected {width} x {height} pixels as stated, found {size[1]} x {size[0]}"
        if (width, height) == size:
            words += "; width and height are exchanged: state its own, or give the picture that was labelled"
        raise DataError(words)
