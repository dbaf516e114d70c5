"""Evaluates made-up predictions in 1, 2, 3 and 5 processes and compares the files, byte for byte.

    python tests/evaluate_together.py --poses 100000

Network and images are left out: people and predictions are drawn, dealt as the data loaders deal them,
gathered and scored by the evaluators (OKS AP, PCK) and written as tools/test.py writes them.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from toy_processes import Processes

from posekit.datasets.coco import load_coco
from posekit.datasets.sampler import EpochSampler
from posekit.engine.processes import group as distributed
from posekit.io.files import write_json
from posekit.metrics.evaluators import OKSMetric, PCKMetric, PredictionWriter
from posekit.skeletons import COCO17
from posekit.structures import Pose

BATCH = 64


def write_people(path, count):
    """A COCO json of so many people, some two and a half on an image, their ids in no order."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, max(1, count * 2 // 5), count)
    corner = rng.uniform(0, 300, (count, 2))
    size = rng.uniform(40, 300, (count, 2))
    points = corner[:, None] + rng.uniform(0.1, 0.9, (count, 17, 2)) * size[:, None]
    visible = rng.integers(0, 3, (count, 17))
    ids = rng.permutation(count) + 1
    flat = np.concatenate([points * (visible > 0)[..., None], visible[..., None]], axis=2)
    people = [
        {
            "id": int(ids[i]),
            "image_id": int(images[i]) + 1,
            "category_id": 1,
            "iscrowd": 0,
            "area": float(size[i].prod() * 0.6),
            "bbox": [*corner[i].tolist(), *size[i].tolist()],
            "num_keypoints": int((visible[i] > 0).sum()),
            "keypoints": flat[i].ravel().tolist(),
        }
        for i in range(count)
        if visible[i].any()
    ]
    content = {
        "images": [
            {"id": int(i) + 1, "file_name": f"{i}.jpg", "height": 640, "width": 640}
            for i in np.unique(images)
        ],
        "annotations": people,
        "categories": [{"id": 1, "name": "person", "keypoints": list(COCO17.keypoints), "skeleton": []}],
    }
    write_json(path, content)


def prediction(table, row):
    """The pose that a network might give: the truth, displaced as (row) alone determines."""
    rng = np.random.default_rng((1, row))
    record = table[row]
    spread = 0.05 * np.sqrt(np.prod(record.box_xyxy[2:] - record.box_xyxy[:2]))
    keypoints = record.keypoints + rng.normal(0, spread, record.keypoints.shape)
    return Pose(
        keypoints=keypoints.astype(np.float32),
        scores=rng.uniform(0, 1, len(keypoints)).astype(np.float32),
        box_xyxy=record.box_xyxy,
        box_score=1.0,
        image_id=record.image_id,
        person_id=record.person_id,
    )


def evaluate(table, folder):
    """One process's part."""
    distributed.start_group("pytorch")
    sampler = EpochSampler(range(len(table)), shuffle=False, round_up=False, batch_size=BATCH)
    rows = [key.index for key in sampler]
    meta = {
        "skeleton": table.skeleton,
        "table": table,
        "box_source": table.box_source,
        "ann_file": table.ann_file,
        "crop": None,
        "image_ids": None,
    }
    metrics = [OKSMetric(), PCKMetric(norm="bbox"), PredictionWriter(str(folder))]
    scores = {}
    for metric in metrics:
        metric.dataset_meta = meta
    for start in range(0, len(rows), BATCH):
        poses = [prediction(table, row) for row in rows[start : start + BATCH]]
        for metric in metrics:
            metric.process(None, poses)
    for metric in metrics:
        scores.update(metric.evaluate(len(table)))
    if distributed.rank() == 0:
        write_json(folder / "metrics.json", scores)
    distributed.finish(0)


def compare(poses, counts, folder, seconds=3600):
    """Evaluates in each number of processes, each within so many seconds.

    Returns:
        How many people there are; for each number of processes the time in seconds, and the digests of
        metrics.json and results.json.
    """
    folder = Path(folder)
    write_people(folder / "people.json", poses)
    table = load_coco(str(folder / "people.json"), str(folder), skeleton=COCO17)
    found = {}
    for count in counts:
        out = folder / str(count)
        out.mkdir()
        began = time.perf_counter()
        processes = Processes(count, lambda rank, out=out: evaluate(table, out), folder / f"logs{count}")
        statuses = processes.wait(seconds)
        if statuses != [0] * count:
            raise SystemExit(f"{count} processes ended with {statuses}:\n{processes.printed()}")
        took = time.perf_counter() - began
        names = ("metrics.json", "results.json")
        found[count] = took, [hashlib.sha256((out / name).read_bytes()).hexdigest() for name in names]
    return len(table), found


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--poses", type=int, default=100_000)
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2, 3, 5])
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        people, found = compare(args.poses, args.processes, folder)
        print(json.dumps(json.loads((Path(folder) / "1" / "metrics.json").read_text())))
    for count, (seconds, digests) in found.items():
        print(f"{count} processes: {people} people, {seconds:.1f} s, {' '.join(d[:16] for d in digests)}")
    same = len({tuple(digests) for _, digests in found.values()}) == 1
    print("identical" if same else "DIFFERENT")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
