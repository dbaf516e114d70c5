"""The files that the test servers of COCO and MPII take, for people whose annotations only they have.

``tools/test.py`` writes them beside its other results when told of the test set, with any COCO or MPII
config, by these ``--cfg-options``, each with ``test_dataloader.dataset.source.`` in front:

- COCO: ``ann_file=annotations/image_info_test-dev2017.json image_dir=test2017
  detections=person_detection_results/COCO_test-dev2017_detections_AP_H_609_person.json``
- MPII: ``ann_file=mpii_human_pose_v1_u12_1.mat split=test head_boxes=None``

COCO (keypoints, test-dev): a zip that holds ``person_keypoints_<set>_<method>_results.json``, a list of
``image_id, category_id, keypoints, score``, 0-based.

MPII (single person): ``pred_keypoints_mpii.mat`` with a struct array ``pred``, an element for every image
of ``RELEASE.annolist(RELEASE.img_train == 0)``, in that order, with predictions in
``pred(i).annorect(j).annopoints.point(k)`` as ``x``, ``y`` (1-based) and ``id`` (0 to 15). The evaluation
counts the people that have an ``objpos``, so every ``annorect`` stays as and where it was. It scores those
of ``RELEASE.single_person``; predictions for others do no harm.
"""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from posekit.errors import DataError
from posekit.io.files import atomic_file
from posekit.metrics.poses import PoseArrays
from posekit.metrics.predictions import NOWHERE

METHOD = "posekit"


def coco_submission_name(ann_file: str | Path) -> str:
    """The name that COCO's server wants, without its ending.

    >>> coco_submission_name("annotations/image_info_test-dev2017.json")
    'person_keypoints_test-dev2017_posekit_results'
    """
    stem = Path(ann_file).name.split(".json")[0]
    return f"person_keypoints_{stem.removeprefix('image_info_')}_{METHOD}_results"


def write_coco_submission(
    out_dir: str | Path,
    ann_file: str | Path,
    poses: PoseArrays,
    scores: np.ndarray,
    category_id: int | np.ndarray,
) -> Path:
    """Writes the zip for COCO's server, atomically; coordinates to a hundredth of a pixel, for its size.

    Args:
        out_dir: Folder.
        ann_file: The image list of the test set, after which the files are named.
        poses: N poses, those of one image at most 20 (more do not count).
        scores: (N,).
        category_id: Of all poses, or int (N,), of each.

    Returns:
        The zip's path.
    """
    keypoints = poses.keypoints.reshape(len(scores), -1).round(2)
    results = [
        {"image_id": image_id, "category_id": category, "keypoints": points, "score": score}
        for image_id, category, points, score in zip(
            poses.image_ids.tolist(),
            np.broadcast_to(category_id, len(scores)).tolist(),
            keypoints.tolist(),
            np.asarray(scores).tolist(),
            strict=True,
        )
    ]
    name = coco_submission_name(ann_file)
    path = Path(out_dir) / f"{name}.zip"
    with atomic_file(path) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"{name}.json", json.dumps(results, separators=(",", ":")))
    return path


def write_mpii_submission(path: str | Path, predicted: np.ndarray, ann_file: str | Path) -> None:
    """Writes the ``.mat`` for MPII's server, atomically.

    Args:
        path: The file, ``pred_keypoints_mpii.mat`` by the server's wish.
        predicted: (N, 16, 2), 0-based pixels, of the rows that ``load_mpii(..., split="test")`` gives ids;
            NaN (nobody predicted) becomes a point far outside the image.
        ann_file: The official ``mpii_human_pose_v1_u12_1.mat``.

    Raises:
        DataError: If the predictions are not those of the file's test people.
    """
    from scipy.io import savemat

    from posekit.datasets.mpii_mat import read_test_images

    images = read_test_images(str(ann_file))
    people = sum(person.row is not None for _, rects in images for person in rects)
    if len(predicted) != people:
        raise DataError(f"{ann_file}: has {people} test people with a position, predicted: {len(predicted)}")
    points = np.where(np.isnan(predicted), NOWHERE, predicted) + 1.0
    pred = _structs(
        [
            {"image": _structs([{"name": name}]), "annorect": _structs([_rect(r, points) for r in rects])}
            for name, rects in images
        ],
        ("image", "annorect"),
    )
    buffer = io.BytesIO()
    savemat(buffer, {"pred": pred}, do_compression=True)
    with atomic_file(path) as file:
        file.write(buffer.getvalue())


def _rect(rect: Any, points: np.ndarray) -> dict[str, Any]:
    """One ``annorect``: what the annotation has, and the prediction."""
    fields: dict[str, Any] = {}
    if rect.scale is not None:
        fields["scale"] = rect.scale
    if rect.position is not None:
        fields["objpos"] = _structs([{"x": rect.position[0], "y": rect.position[1]}])
        # Older copies of the evaluation want points of everybody who has a position.
        own = np.full((16, 2), NOWHERE) if rect.row is None else points[rect.row]
        point = [{"x": x, "y": y, "id": float(joint)} for joint, (x, y) in enumerate(own.tolist())]
        fields["annopoints"] = _structs([{"point": _structs(point, ("x", "y", "id"))}])
    return fields


def _structs(records: list[dict[str, Any]], names: tuple[str, ...] = ()) -> np.ndarray:
    """A MATLAB struct array (1, N); what a record lacks is an empty matrix, as MATLAB fills it."""
    names = names or tuple(dict.fromkeys(name for record in records for name in record))
    if not names or not records:
        return np.zeros((0, 0))
    array = np.empty((1, len(records)), dtype=[(name, object) for name in names])
    for number, record in enumerate(records):
        array[0, number] = tuple(record.get(name, np.zeros((0, 0))) for name in names)
    return array
