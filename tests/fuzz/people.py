"""How files of people are read and used: annotations, detections, results."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from . import samples


def inside(table: Any, folder: Path) -> None:
    """The pictures of a table that was accepted are looked for and read as a training does it."""
    from posekit.errors import PosekitError
    from posekit.io.images import missing_images, read_image

    assert np.isfinite(table[0].box_xyxy).all()
    with contextlib.suppress(PosekitError):  # of a picture, which the message names
        names = [table.image_name(image) for image in range(len(table.image_names))]
        missing = set(missing_images(folder, names))
        for image, name in enumerate(names):
            path = table.image_path(image)
            if not Path(os.path.normpath(path)).is_relative_to(folder):
                raise AssertionError(f"leaves the folder: {path}")
            if name not in missing:
                read_image(path)


def coco(policy: str, **options: Any) -> Callable[[Path], Any]:
    def read(path: Path) -> Any:
        from posekit.datasets.coco import load_coco

        table = load_coco(str(path), str(path.parent), samples.SKELETON, on_bad_record=policy, **options)
        inside(table, path.parent)

    return read


def detections(boxes: str) -> Callable[[Path], Any]:
    def read(path: Path) -> Any:
        from posekit.datasets.coco import load_coco

        truth = str(path.parent / "truth.json")
        inside(
            load_coco(truth, str(path.parent), samples.SKELETON, detections=str(path), boxes=boxes),
            path.parent,
        )

    return read


def write_truth(folder: Path) -> None:
    (folder / "truth.json").write_bytes(samples.packed(samples.coco()))
    (folder / "heads.mat").write_bytes(samples.head_boxes())


def read_truth(path: Path) -> Any:
    from posekit.metrics.ground_truth import choose_sigmas, read_coco
    from posekit.metrics.results import read_results

    people = read_coco(path)
    choose_sigmas(people)
    (path.parent / "own.json").write_text("[]")
    read_results(path.parent / "own.json", people)


def read_crowd(path: Path) -> Any:
    from posekit.metrics.crowdpose import read_crowd_index, read_crowdpose

    read_crowd_index(path, read_crowdpose(path).truth.image_ids)


def results(path: Path) -> Any:
    from posekit.errors import PosekitError
    from posekit.metrics.ground_truth import choose_sigmas, read_coco
    from posekit.metrics.oks import evaluate_oks
    from posekit.metrics.pck import pck, person_sizes
    from posekit.metrics.predictions import read_poses
    from posekit.metrics.results import apply_protocol, assign_results, read_results

    with contextlib.suppress(PosekitError):  # the second reader names the file as well
        read_poses(path)
    people = read_coco(path.parent / "truth.json")
    sigmas = choose_sigmas(people)
    found = read_results(path, people)
    with np.errstate(all="ignore"):
        evaluate_oks(people.truth, apply_protocol(found, sigmas, 0.2, 0.9), sigmas).stats()
        assigned = assign_results(found, people, path)
        truth, labelled = people.truth.keypoints, people.labelled
        sizes = person_sizes(
            "head", truth, labelled, people.names, people.truth.boxes_xywh, people.head_sizes
        )
        pck(assigned.predicted, truth, labelled, sizes, people.names)


def detection_file(path: Path) -> Any:
    from posekit.inference.detections import DetectionFile

    found = DetectionFile(path, 0.1)
    for image in (5, Path("000006.jpg"), Path("a.png")):
        boxes, scores = found.of(image)
        assert boxes.shape == (len(scores), 4)


def partial(folder: Path) -> Any:
    from posekit.detection.results import PartialRun

    with PartialRun(folder / "out.json", {"a": 1}) as run:
        run.add([{"key": "z", "boxes": []}])


def detector_data(path: Path) -> Any:
    from posekit.detection.dataset import PeopleImages
    from posekit.detection.pictures import list_pictures
    from posekit.errors import PosekitError

    with contextlib.suppress(PosekitError):
        list_pictures([str(path)])
    found = PeopleImages(str(path), str(path.parent), on_bad_image="skip")
    with contextlib.suppress(PosekitError):  # names the folder
        found[0]


def mpii(split: str, **options: Any) -> Callable[[Path], Any]:
    def read(path: Path) -> Any:
        from posekit.datasets.mpii import load_mpii

        inside(load_mpii(str(path), str(path.parent), split, **options), path.parent)

    return read


def mpii_heads(path: Path) -> Any:
    from posekit.datasets.mpii import load_mpii
    from posekit.metrics.mpii_truth import read_mpii
    from posekit.metrics.results import read_mpii_predictions

    load_mpii(str(path.parent / "own.json"), str(path.parent), "val", str(path))
    people = read_mpii(path)
    assert np.isfinite(people.head_sizes).all()
    read_mpii_predictions(path.parent / "preds.mat", people)


def write_mpii(folder: Path) -> None:
    import json

    (folder / "own.json").write_text(json.dumps(samples.mpii_hrnet()))
    (folder / "preds.mat").write_bytes(samples.predictions_mat())
    (folder / "heads.mat").write_bytes(samples.head_boxes())


def mpii_official(path: Path) -> Any:
    from posekit.datasets.mpii import load_mpii
    from posekit.datasets.mpii_mat import read_test_images

    read_test_images(str(path))
    inside(load_mpii(str(path), str(path.parent), "trainval", on_bad_record="skip"), path.parent)
    load_mpii(str(path), str(path.parent), "test")


def mpii_truth(path: Path) -> Any:
    from posekit.metrics.mpii_truth import read_mpii

    read_mpii(path, path.parent / "heads.mat")


def mpii_predictions(path: Path) -> Any:
    from posekit.metrics.mpii_truth import read_mpii
    from posekit.metrics.pckh import pckh
    from posekit.metrics.results import read_mpii_predictions

    people = read_mpii(path.parent / "heads.mat")
    predicted = read_mpii_predictions(path, people)
    with np.errstate(all="ignore"):
        pckh(predicted, people.joints, people.annotated, people.head_sizes)


def lsp(path: Path) -> Any:
    from posekit.datasets.lsp import load_lsp

    inside(load_lsp(str(path), str(path.parent), on_bad_record="skip"), path.parent)


def write_pictures(folder: Path) -> None:
    (folder / "a.png").write_bytes(samples.picture(".png"))
    for number in range(1, 7):
        for digits in (4, 5):
            (folder / f"im{number:0{digits}d}.jpg").write_bytes(samples.picture(".jpg"))


def image_ids(path: Path) -> Any:
    """The file that ``tools/evaluate.py --images`` takes."""
    from posekit.metrics.ground_truth import read_coco

    read_coco(path.parent / "truth.json", evaluate_tool()["read_image_ids"](str(path)), ids_from=str(path))


@lru_cache(maxsize=1)
def evaluate_tool() -> dict[str, Any]:
    import runpy

    return runpy.run_path(str(Path(__file__).resolve().parents[2] / "tools" / "evaluate.py"))
