"""Writes the embedded data set to disk, whole or not at all.

The files::

    DIR/images/{train,val}/000000000001.jpg ...
    DIR/annotations/person_keypoints_{train,val}.json   COCO form, 0-based
    DIR/annotations/mpii_{train,valid}.json             the HRNet release's form, 1-based
    DIR/annotations/gt_valid.mat                        head boxes and truth for PCKh, 1-based
    DIR/manifest.json                                   settings and checksums

A set is made in a folder beside DIR and renamed when complete, so whatever stands at DIR is complete.
"""

from __future__ import annotations

import hashlib
import io
import json
import multiprocessing
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from scipy.io import savemat
from tqdm import tqdm

from posekit.errors import ConfigError, DataError
from posekit.skeletons import MPII16
from posekit.synthetic.records import (
    ImageNote,
    annotate,
    coco_annotations,
    mpii_people,
    mpii_truth,
)
from posekit.synthetic.render import render
from posekit.synthetic.scene import sample_scene

VERSION = 4  # of the rendering; another number makes another set
_SPLITS = ("train", "val")
_FIRST_ID = {"train": 1, "val": 1_000_001}
_JPEG_QUALITY = 90
_MOST_PEOPLE = 12
_STALE_SECONDS = 24 * 3600
_MANIFEST = "manifest.json"


def make_image(
    seed: int, split: str, index: int, most_people: int | None = None
) -> tuple[np.ndarray, ImageNote]:
    """Renders and annotates one image.

    Args:
        seed: Of the whole set.
        split: "train" or "val".
        index: Number of the image within its split; with seed and split it decides everything.
        most_people: See :func:`~posekit.synthetic.scene.sample_scene`.

    Returns:
        uint8 (H, W, 3) RGB and its annotation.
    """
    key = (seed, _SPLITS.index(split), index)
    scene, pixels, notes = (np.random.default_rng((*key, stage)) for stage in range(3))
    contents = sample_scene(scene, most_people)
    return render(contents, pixels), annotate(contents, notes)


def image_name(split: str, index: int) -> str:
    """File name of an image; its number is the image's id."""
    return f"{_FIRST_ID[split] + index:012d}.jpg"


def _write_image(job: tuple[str, int], settings: dict[str, int], folder: Path) -> ImageNote:
    split, index = job
    image, note = make_image(settings["seed"], split, index, settings.get("people"))
    done, data = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    if not done:
        raise RuntimeError("OpenCV could not encode a JPEG image")
    (folder / "images" / split / image_name(split, index)).write_bytes(data.tobytes())
    return note


@contextmanager
def _one_cv2_thread() -> Iterator[None]:
    """Ends OpenCV's thread pool: a forked child that inherits one waits for it for ever."""
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(threads)


def _notes(
    jobs: list[tuple[str, int]], settings: dict[str, int], folder: Path, workers: int
) -> Iterator[ImageNote]:
    """Writes the images and yields their annotations in the order of the jobs."""
    work = partial(_write_image, settings=settings, folder=folder)
    if workers <= 1:
        yield from map(work, jobs)
        return
    # Forking spares each worker the seconds of importing; macOS, whose own libraries it breaks, has it too.
    method = "fork" if sys.platform == "linux" else None
    with _one_cv2_thread(), multiprocessing.get_context(method).Pool(workers) as pool:
        yield from pool.imap(work, jobs, chunksize=16)


def _coco_file(split: str, notes: list[ImageNote]) -> dict[str, Any]:
    images, annotations = [], []
    for index, note in enumerate(notes):
        image_id = _FIRST_ID[split] + index
        height, width = note.size_hw
        name = image_name(split, index)
        images.append({"id": image_id, "file_name": name, "height": height, "width": width, "license": 1})
        annotations += coco_annotations(note, image_id)
    for number, annotation in enumerate(annotations):
        annotation["id"] = _FIRST_ID[split] + number
    category = {
        "id": 1,
        "name": "person",
        "supercategory": "person",
        "keypoints": list(MPII16.keypoints),
        "skeleton": (MPII16.limb_index + 1).tolist(),  # COCO counts keypoints from 1 here
        "sigmas": list(MPII16.sigmas),
    }
    return {
        "info": {"description": "posekit rendered people", "version": str(VERSION)},
        "licenses": [{"id": 1, "name": "same as posekit", "url": ""}],
        "images": images,
        "annotations": annotations,
        "categories": [category],
    }


def _mat_bytes(arrays: dict[str, np.ndarray]) -> bytes:
    """A MATLAB 5 file whose header, unlike scipy's, does not tell the time."""
    buffer = io.BytesIO()
    savemat(buffer, arrays)
    header = b"MATLAB 5.0 MAT-file, posekit rendered people".ljust(116)
    return header + buffer.getvalue()[116:]


def _annotation_files(notes: dict[str, list[ImageNote]]) -> dict[str, bytes]:
    """Contents of the files under ``annotations/``."""
    files = {}
    for split, mpii_name in (("train", "mpii_train.json"), ("val", "mpii_valid.json")):
        coco = _coco_file(split, notes[split])
        people = [p for k, note in enumerate(notes[split]) for p in mpii_people(note, image_name(split, k))]
        files[f"person_keypoints_{split}.json"] = json.dumps(coco).encode()
        files[mpii_name] = json.dumps(people).encode()
    files["gt_valid.mat"] = _mat_bytes(mpii_truth(notes["val"]))
    return files


def _fill(folder: Path, settings: dict[str, int], workers: int, progress: bool) -> None:
    """Writes a whole set into an empty folder, the manifest last."""
    jobs = [(split, k) for split in _SPLITS for k in range(settings[f"num_{split}"])]
    for split in _SPLITS:
        (folder / "images" / split).mkdir(parents=True)
    bar = tqdm(total=len(jobs), desc="rendering people", unit="image", disable=not progress)
    notes: dict[str, list[ImageNote]] = {split: [] for split in _SPLITS}
    with bar:
        for (split, _), note in zip(jobs, _notes(jobs, settings, folder, workers), strict=True):
            notes[split].append(note)
            bar.update()
    (folder / "annotations").mkdir()
    files = _annotation_files(notes)
    for name, data in files.items():
        (folder / "annotations" / name).write_bytes(data)
    manifest = {
        "settings": settings,
        "image_bytes": {split: _image_sizes(folder, split) for split in _SPLITS},
        "annotations_sha256": {name: hashlib.sha256(data).hexdigest() for name, data in files.items()},
    }
    (folder / _MANIFEST).write_text(json.dumps(manifest, indent=1), "utf-8")


def _image_sizes(folder: Path, split: str) -> list[int]:
    """Sizes of a split's files in the order of their names."""
    with os.scandir(folder / "images" / split) as entries:
        return [size for _, size in sorted((entry.name, entry.stat().st_size) for entry in entries)]


def _read_manifest(out: Path) -> dict[str, Any] | None:
    """The manifest of the set at ``out``; None if there is nothing.

    Raises:
        DataError: If ``out`` holds something that is not such a set: it is never overwritten.
    """
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return None
    try:
        manifest = json.loads((out / _MANIFEST).read_text("utf-8"))
        ours = {"settings", "image_bytes", "annotations_sha256"} <= set(manifest)
    except (OSError, ValueError, TypeError) as error:
        raise DataError(
            f"{out}: expected a new or empty folder or a set written before, found no readable {_MANIFEST} "
            f"({error}); nothing was changed"
        ) from error
    if not ours:
        raise DataError(f"{out / _MANIFEST}: not a manifest of rendered people; nothing was changed")
    return manifest


def _is_intact(out: Path, manifest: dict[str, Any]) -> bool:
    """Whether all files are there: images by size, annotations by checksum."""
    try:
        if any(_image_sizes(out, split) != manifest["image_bytes"][split] for split in _SPLITS):
            return False
        return all(
            hashlib.sha256((out / "annotations" / name).read_bytes()).hexdigest() == digest
            for name, digest in manifest["annotations_sha256"].items()
        )
    except FileNotFoundError:
        return False


def _sweep_leftovers(out: Path) -> None:
    """Removes what runs killed long ago left behind."""
    for folder in out.parent.glob(f".{out.name}.partial-*"):
        if time.time() - folder.stat().st_mtime > _STALE_SECONDS:
            shutil.rmtree(folder, ignore_errors=True)


def _swap_in(fresh: Path, out: Path) -> None:
    """Puts a complete set in place of what is at ``out`` (nothing, an empty folder or an older set)."""
    if out.exists() and any(out.iterdir()):
        out.replace(fresh / "replaced")
    (fresh / "new").replace(out)


def _check_settings(settings: dict[str, int]) -> None:
    for name, value in settings.items():
        least, most = 0 if name == "seed" else 1, _MOST_PEOPLE if name == "people" else 999_999
        if value < least or value > most:
            raise ConfigError(f"synthetic people: '{name}' must be from {least} to {most}, found {value}")


def write_synthetic_people(
    out: str | os.PathLike[str],
    num_train: int = 2400,
    num_val: int = 400,
    seed: int = 0,
    workers: int = 2,
    progress: bool = True,
    most_people: int | None = None,
) -> Path:
    """Writes the embedded data set; see the module for its files.

    A complete set with the same settings is left alone (checked in milliseconds); one with other settings
    or with damaged files is replaced once the new one is complete.

    Args:
        out: The set's folder; new, empty or written by this function before.
        num_train: Number of training images.
        num_val: Number of validation images.
        seed: Decides every image and annotation, with an image's split and number.
        workers: Processes that render; the files do not depend on it.
        progress: Shows a bar with the time left.
        most_people: Pictures of one to so many people (at most 12), for detectors; None: the quickstart's.

    Returns:
        ``out``.

    Raises:
        ConfigError: On a number out of range.
        DataError: If ``out`` holds anything else; nothing is overwritten then.
    """
    out = Path(out)
    settings = {"version": VERSION, "seed": seed, "num_train": num_train, "num_val": num_val}
    if most_people is not None:
        settings["people"] = most_people
    _check_settings(settings)
    manifest = _read_manifest(out)
    if manifest and manifest["settings"] == settings and _is_intact(out, manifest):
        return out
    out.parent.mkdir(parents=True, exist_ok=True)
    _sweep_leftovers(out)
    fresh = Path(tempfile.mkdtemp(prefix=f".{out.name}.partial-", dir=out.parent))
    try:
        (fresh / "new").mkdir()
        _fill(fresh / "new", settings, workers, progress)
        _swap_in(fresh, out)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return out
