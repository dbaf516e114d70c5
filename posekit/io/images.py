"""Image files: reading, and noticing what cannot be read.

OpenCV returns a grey-filled picture for a truncated JPEG and says so on stderr alone, so the end of the file
is looked at here. Grayscale, 16-bit, CMYK, alpha and non-ASCII paths all come out as uint8 RGB. An image of
more than :func:`~posekit.io.image_size.pixel_limit` is refused before it is decoded.

Names of annotations stay within the image folder: none leads out of it (:func:`leaves_folder`), and neither
does a link that lies in it, unless ``POSEKIT_OUTSIDE_LINKS=allow``; the folder itself may be a link.
"""

from __future__ import annotations

import contextlib
import io
import os
import stat
import struct
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from posekit.errors import ConfigError, DataError, shown
from posekit.io.deep_levels import look_at_levels
from posekit.io.image_size import pixel_limit, stated_size_hw

# OpenCV looks at it once, when it is loaded, and applies it to every format.
os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(pixel_limit()))
try:
    import cv2
except ImportError as error:  # most often libGL.so.1 on a server without a display
    raise ImportError(
        f"OpenCV cannot be imported ({error}). On a machine without a display use "
        "'pip uninstall -y opencv-python && pip install opencv-python-headless'."
    ) from error

# What a picture's file is called.
PICTURES = (
    ".jpg", ".jpeg", ".jfif", ".png", ".bmp", ".webp", ".avif", ".tif", ".tiff", ".ppm", ".pgm", ".jp2",
)  # fmt: skip
_LONGEST_NAME = 1000
# What an annotation's size of a picture may be to the file's.
STORED, TURNED, EXCHANGED, OTHER, UNKNOWN = range(5)

Size = tuple[int, int]
_ORIENTATION = 0x0112  # EXIF's tag
_EXIF_MARKS = (b"Exif", b"eXIf", b"EXIF")  # of JPEG, PNG, WebP
# OpenCV >= 4.11 decodes straight to RGB.
_COLOR_RGB: int | None = getattr(cv2, "IMREAD_COLOR_RGB", None)


def read_image(path: str | os.PathLike[str], orientation: str = "ignore") -> np.ndarray:
    """Reads an image file.

    Args:
        path: The file.
        orientation: "ignore" keeps the stored rows as they are, as the releases do with annotated data;
            "apply" turns the picture as its EXIF entry says, for a user's own photos.

    Returns:
        uint8 (H, W, 3), RGB, contiguous. An alpha channel is dropped.

    Raises:
        DataError: If the file is missing, empty, truncated or no image.
    """
    if orientation not in ("ignore", "apply"):
        raise ConfigError(f"read_image: 'orientation' must be 'ignore' or 'apply', found {orientation!r}")
    content = file_bytes(path)
    data = np.frombuffer(content, dtype=np.uint8)
    if data.size == 0:
        raise DataError(f"{os.fspath(path)}: image file is empty")
    if is_truncated(data):
        raise DataError(f"{os.fspath(path)}: image file is truncated ({data.size} bytes, no end marker)")
    _check_pixels(stated_size_hw(content), path)
    image = _decode(data, orientation == "ignore")
    if image is not None and image[::16, ::16].max() < 16:  # black, or 16 bits of which few are used
        look_at_levels(data, os.fspath(path))
    if image is None and content[4:11] in (b"ftyphei", b"ftyphev", b"ftypmif", b"ftypmsf"):
        raise DataError(
            f"{os.fspath(path)}: is a HEIC picture, as phones take them, which OpenCV cannot decode; convert "
            "it to JPEG"
        )
    if image is None:
        raise DataError(
            f"{os.fspath(path)}: not an image that OpenCV can decode, or one of over 2^30 pixels "
            f"({data.size} bytes)"
        )
    return image


def file_bytes(path: str | os.PathLike[str], most: int = -1) -> bytes:
    """The content, or its first ``most`` bytes; a pipe or a device, which need not end, is no image file."""
    try:
        with open(path, "rb", opener=_open_at_once) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise DataError(f"{os.fspath(path)}: image cannot be read: not a regular file")
            return file.read(most)
    except (OSError, ValueError) as error:  # ValueError: a name with a NUL
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{os.fspath(path)}: image cannot be read: {reason}") from error


def _open_at_once(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))  # a pipe would wait for its writer


def _check_pixels(size_hw: tuple[int, int] | None, path: str | os.PathLike[str]) -> None:
    if size_hw is not None and size_hw[0] * size_hw[1] > pixel_limit():
        raise DataError(
            f"{os.fspath(path)}: its header states {size_hw[1]} x {size_hw[0]} pixels; expected at most "
            f"{pixel_limit():,} (POSEKIT_MAX_PIXELS sets another limit)"
        )


def _decode(data: np.ndarray, ignore_orientation: bool) -> np.ndarray | None:
    flags = cv2.IMREAD_COLOR if _COLOR_RGB is None else _COLOR_RGB
    if ignore_orientation:
        flags |= cv2.IMREAD_IGNORE_ORIENTATION
    try:
        image = cv2.imdecode(data, flags)
    except cv2.error:  # e.g. a size beyond OpenCV's limit; the caller names the file
        return None
    if image is not None and _COLOR_RGB is None:
        image = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
    return image


def is_truncated(data: np.ndarray) -> bool:
    """Whether an encoded JPEG, PNG, BMP or WebP file (uint8 (N,)) stops before its end."""
    head = data[:16].tobytes()
    if head.startswith(b"\xff\xd8"):
        # Nearly every file ends with the end-of-image marker; only the others are walked through.
        return data[-2:].tobytes() != b"\xff\xd9" and not _jpeg_has_end(data.tobytes())
    if head.startswith(b"\x89PNG"):
        return not _png_has_end(data.tobytes())
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return len(data) < int.from_bytes(head[4:8], "little") + 8
    if head.startswith(b"BM") and len(head) >= 6:
        return len(data) < int.from_bytes(head[2:6], "little")
    return False


def _png_has_end(data: bytes) -> bool:
    """Walks the chunks of a PNG; one that states more bytes than follow is given as much memory by OpenCV."""
    at = 8
    while at + 12 <= len(data):
        if data[at + 4 : at + 8] == b"IEND":
            return True
        at += 12 + int.from_bytes(data[at : at + 4], "big")
    return False


def _jpeg_has_end(data: bytes) -> bool:
    """Walks the marker segments of a JPEG: an embedded preview's end marker does not count."""
    at = 2
    while at + 4 <= len(data):
        if data[at] != 0xFF:
            return False
        marker = data[at + 1]
        if marker == 0xD9:
            return True
        if marker == 0xFF:  # fill byte
            at += 1
            continue
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        if marker == 0xDA:
            at = _end_of_scan(data, at)
    return data[at : at + 2] == b"\xff\xd9"


def _end_of_scan(data: bytes, at: int) -> int:
    """Where the entropy-coded bytes from ``at`` on end: the next marker that is no stuffing or restart."""
    while True:
        at = data.find(b"\xff", at)
        if at < 0 or at + 1 >= len(data):
            return len(data)
        if data[at + 1] != 0 and not 0xD0 <= data[at + 1] <= 0xD7:
            return at
        at += 2


class ImageBuffer:
    """Reads images, one after another, with a fourth channel and into the same memory.

    OpenCV 5 warps four channels three times as fast as three; in fresh memory, the page faults of the wider
    copy would cost more than that saves.
    """

    def __init__(self) -> None:
        self._memory = np.empty(0, dtype=np.uint8)

    def read(self, path: str, orientation: str = "ignore") -> np.ndarray:
        """The image, uint8 (H, W, 4): RGB and a channel that means nothing. Valid until the next call.

        Raises:
            DataError: As :func:`read_image`.
        """
        image = read_image(path, orientation)
        height, width = image.shape[:2]
        size = height * width * 4
        if self._memory.size < size:
            self._memory = np.empty(size, dtype=np.uint8)
        target = self._memory[:size].reshape(height, width, 4)
        return cv2.cvtColor(image, cv2.COLOR_RGB2RGBA, dst=target)


class Header(NamedTuple):
    """What an image file's header states.

    Attributes:
        size_hw: Height and width of the stored rows.
        orientation: The EXIF entry, 1 (as stored) to 8.
    """

    size_hw: tuple[int, int]
    orientation: int

    @property
    def turned_hw(self) -> tuple[int, int]:
        """The size after the turn that EXIF asks for."""
        return self.size_hw[::-1] if self.orientation >= 5 else self.size_hw


def relation(stated_hw: Sequence[int] | np.ndarray, header: Header) -> int:
    """How a stated height and width relate to a file's: one of the constants above."""
    stated, stored = (int(stated_hw[0]), int(stated_hw[1])), header.size_hw
    if not all(stated):
        return UNKNOWN
    if stated == stored:
        return STORED
    if stated == header.turned_hw:
        return TURNED
    return EXCHANGED if stated == stored[::-1] else OTHER


def read_header(image_dir: str | os.PathLike[str], name: str) -> Header | None:
    """Size and orientation by the header of a file in a folder.

    None where it is missing, tells none, or leads out of the folder: whoever decodes it says what is wrong.
    """
    root = Path(image_dir)
    if leaves_folder(name):
        return None
    with contextlib.suppress(DataError):
        check_link(root, name)
        # What comes before the picture's data may be long: a preview, a colour profile.
        return _header(file_bytes(root / name, 1 << 16)) or _header(file_bytes(root / name))
    return None


def _header(content: bytes) -> Header | None:
    size = stated_size_hw(content)
    if size is not None and all(size) and not any(mark in content for mark in _EXIF_MARKS):
        return Header(size, 1)
    from PIL import Image, UnidentifiedImageError  # torchvision brings it

    exif = Image.Exif()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # PIL's, of a damaged EXIF entry
            image = Image.open(io.BytesIO(content))
            width, height = image.size
            exif.load(image.info.get("exif", b""))
            orientation = exif.get(_ORIENTATION, 1)
    except (
        UnidentifiedImageError, Image.DecompressionBombError, OSError, ValueError, SyntaxError, struct.error
    ):  # fmt: skip
        return None
    return Header((height, width), orientation if orientation in range(1, 9) else 1)


def leaves_folder(name: str) -> bool:
    """Whether an image name of an annotation would lead out of the image folder, or is no name at all."""
    slashed = name.replace("\\", "/")
    return slashed[:1] == "/" or ".." in slashed.split("/") or name[1:2] == ":" or "\0" in name


def within_folder(name: str, image_dir: str | os.PathLike[str]) -> str:
    """An image name as a path inside the image folder, where it is one.

    Windows writes backslashes; some tools write absolute paths.
    """
    name = name.replace("\\", "/")
    if not image_dir or not (name[:1] == "/" or name[1:2] == ":"):  # nearly all are relative
        return name
    root = os.path.abspath(image_dir).replace("\\", "/").rstrip("/")  # noqa: PTH100 (links stay as they are)
    return name.removeprefix(f"{root}/")


def check_image_name(name: str, where: str) -> None:
    """Raises DataError unless a name of an annotation is one of a file inside the image folder."""
    if not name or leaves_folder(name):
        raise DataError(
            f"{where}, field 'file_name': expected a name inside the image folder, found {shown(name)}; "
            "write names relative to it, or give the folder that all of them lie in"
        )
    if len(name) > _LONGEST_NAME:  # tables keep all names at the longest one's length
        raise DataError(
            f"{where}, field 'file_name': expected at most {_LONGEST_NAME} characters, found {len(name)}: "
            f"{shown(name)}"
        )


def missing_images(image_dir: str | os.PathLike[str], names: Iterable[str]) -> list[str]:
    """The names that are not in the folder; each (sub)folder is listed once, no file is touched.

    Raises:
        DataError: If the image folder itself is missing, or a name is a link that leads out of it.
    """
    root = Path(image_dir)
    if not root.is_dir():
        raise DataError(f"{root}: image folder not found")
    listed: dict[str, dict[str, bool]] = {}
    missing = []
    for name in names:
        folder, _, base = name.rpartition("/")
        if folder not in listed:
            listed[folder] = list_folder(root, folder)
        is_link = listed[folder].get(base)
        if is_link is None:
            missing.append(name)
        elif is_link:
            check_link(root, name)
    return missing


def list_folder(root: Path, folder: str) -> dict[str, bool]:
    """Names in a folder and whether each is a link; in a subfolder that is reached by a link, all are."""
    path = root / folder
    try:
        through_link = bool(folder) and path.resolve() != root.resolve() / folder
    except (OSError, ValueError, RuntimeError):  # a name that no file can have
        return {}
    if through_link:  # what lies outside is not even listed
        check_link(root, folder)
    try:
        with os.scandir(path) as entries:
            return {entry.name: through_link or entry.is_symlink() for entry in entries}
    except (OSError, ValueError):  # no folder
        return {}


def check_link(root: Path, name: str) -> None:
    """Raises DataError of a link that leads out of the folder, unless that is allowed."""
    if os.environ.get("POSEKIT_OUTSIDE_LINKS") == "allow":
        return
    try:
        target = (root / name).resolve()
    except (OSError, ValueError, RuntimeError) as error:  # no name that a file can have; a circle of links
        raise DataError(f"{shown(str(root / name))}: image cannot be read: {error}") from error
    if not target.is_relative_to(root.resolve()):
        raise DataError(
            f"{root / name}: expected a file inside the image folder, found a link to {target}; if you made "
            "it yourself, set POSEKIT_OUTSIDE_LINKS=allow"
        )
