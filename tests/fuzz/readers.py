"""Every reader with its valid files: what is mutated, how, and how the mutated file is read and used."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from random import Random
from typing import Any

from . import faces, files, labels, people, samples
from .arrays import Made, mutate_made
from .containers import mutate_inside
from .mutate import mutate_bytes, mutate_json, mutate_text

Seeds = Callable[[], list[Any]]


@dataclass
class Reader:
    """One reader.

    Attributes:
        name: Its name.
        suffix: Of the mutated file, which is called ``input`` + suffix.
        make: Makes the valid contents: bytes, values that are written as json, or :class:`Made`.
        read: Reads the mutated file of a folder, and uses what it holds.
        prepare: Writes the files that stand beside it, once.
        seconds: Of CPU time that an input may take.
        share: Of the inputs, against other readers; slow ones have less.
    """

    name: str
    suffix: str
    make: Seeds
    read: Callable[[Path], Any]
    prepare: Callable[[Path], Any] = lambda folder: None
    seconds: float = 10.0
    share: float = 1.0

    @cached_property
    def seeds(self) -> list[Any]:
        return self.make()

    def input(self, seed: int, number: int) -> bytes:
        """The mutated content of a number."""
        random = Random(f"{self.name}:{seed}:{number}")
        valid = random.choice(self.seeds)
        if isinstance(valid, Made):
            return mutate_made(valid, random)
        if not isinstance(valid, bytes):
            return mutate_json(valid, random)
        inside = mutate_inside(valid, random) if random.random() < 0.6 else None
        return mutate_bytes(valid, random) if inside is None else inside


def _placed(place: str, read: Callable[[Path], Any]) -> Callable[[Path], Any]:
    """Reads the mutated file in another place of the folder, where the reader looks for it by its name."""

    def read_placed(path: Path) -> Any:
        target = path.parent / place
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
        try:
            read(path.parent)
        except Exception as error:
            raise type(error)(str(error).replace(target.name, path.name)) from error

    return read_placed


def _values(*makers: Callable[[], Any]) -> Seeds:
    import json

    def make() -> list[Any]:
        values = [maker() for maker in makers]
        return [*values, *(json.dumps(value).encode() for value in values if not isinstance(value, bytes))]

    return make


def _of_sweep(name: str) -> Seeds:
    """The sweep's file of that name; a json of one line as a value."""
    import json

    own = files.CELL.partition("/")[2]
    content = next(
        samples.sweep()[place]
        for place in (name, f"{own}/{name}", f"{own}/1/vis_data/{name}")
        if place in samples.sweep()
    )
    return lambda: [content] if content.count(b"\n") > 1 else [json.loads(content), content]


def _images(*suffixes: str) -> Seeds:
    return lambda: [samples.picture(suffix) for suffix in suffixes]


ALL = [
    Reader("coco", ".json", _values(samples.coco), people.coco("error")),
    Reader("coco_skip", ".json", _values(samples.coco), people.coco("skip")),
    Reader("coco_raw_boxes", ".json", _values(samples.coco), people.coco("skip", clean_boxes=False)),
    Reader(
        "detections", ".json", _values(samples.detections), people.detections("detected"), people.write_truth
    ),
    Reader(
        "matched",
        ".json",
        _values(samples.detections),
        people.detections("detected_matched"),
        people.write_truth,
    ),
    Reader("detection_file", ".json", _values(samples.detections, samples.coco), people.detection_file),
    Reader(
        "partial_run",
        ".json",
        lambda: [b'{"settings": {"a": 1}}\n{"key": "5", "boxes": [[1, 2]]}\n'],
        _placed("out.json.partial", people.partial),
    ),
    Reader("detector_data", ".json", _values(samples.coco), people.detector_data, people.write_pictures),
    Reader("truth", ".json", _values(samples.coco), people.read_truth),
    Reader("crowdpose", ".json", _values(samples.crowdpose), people.read_crowd),
    Reader("results", ".json", _values(samples.results), people.results, people.write_truth),
    Reader("json_gz", ".json.gz", lambda: [samples.packed(samples.coco())], people.coco("error")),
    Reader("mpii_hrnet", ".json", _values(samples.mpii_hrnet), people.mpii("val")),
    Reader(
        "mpii_pytorch_pose",
        ".json",
        _values(samples.mpii_pytorch_pose),
        people.mpii("val", on_bad_record="skip"),
    ),
    Reader(
        "mpii_json_gz", ".json.gz", lambda: [samples.packed(samples.mpii_pytorch_pose())], people.mpii("val")
    ),
    Reader(
        "mpii_official",
        ".mat",
        lambda: [samples.official(), samples.official(True), Made(samples.official_values(), samples.mat)],
        people.mpii_official,
    ),
    Reader(
        "mpii_heads",
        ".mat",
        lambda: [samples.head_boxes(), samples.head_boxes(True), Made(samples.head_values(), samples.mat)],
        people.mpii_heads,
        people.write_mpii,
    ),
    Reader(
        "mpii_truth",
        ".json",
        _values(samples.mpii_hrnet, samples.mpii_pytorch_pose),
        people.mpii_truth,
        people.write_mpii,
    ),
    Reader(
        "mpii_pred_mat",
        ".mat",
        lambda: [samples.predictions_mat(), Made({"preds": samples.predictions()}, samples.mat)],
        people.mpii_predictions,
        people.write_mpii,
    ),
    Reader(
        "mpii_pred_npy",
        ".npy",
        lambda: [samples.npy(), Made(samples.predictions(), samples.npy)],
        people.mpii_predictions,
        people.write_mpii,
    ),
    Reader(
        "mpii_pred_json",
        ".json",
        _values(lambda: [[[1.5, 2]] * 16] * 3),
        people.mpii_predictions,
        people.write_mpii,
    ),
    Reader(
        "lsp",
        ".mat",
        lambda: [samples.lsp(), samples.lsp(True), Made(samples.lsp_values(), samples.mat)],
        people.lsp,
        people.write_pictures,
    ),
    Reader(
        "faces_csv", ".csv", lambda: [faces.mtfl_csv()], faces.reading("load_mtfl"), people.write_pictures
    ),
    Reader(
        "faces_mtfl", ".txt", lambda: [faces.mtfl_list()], faces.reading("load_mtfl"), people.write_pictures
    ),
    Reader("faces_wflw", ".txt", lambda: [faces.wflw()], faces.reading("load_wflw"), people.write_pictures),
    Reader("faces_pts", ".pts", lambda: [faces.pts()], faces.pts_file),
    Reader("faces_cofw", ".mat", faces.made(faces.cofw_values), faces.cofw),
    Reader(
        "faces_aflw",
        ".mat",
        faces.made(faces.aflw_values),
        faces.reading("load_aflw", "all"),
        people.write_pictures,
    ),
    Reader("checkpoint_zip", ".pth", lambda: [samples.checkpoint(True)], files.checkpoint),
    Reader("checkpoint_legacy", ".pth.tar", lambda: [samples.checkpoint(False)], files.checkpoint),
    Reader(
        "checkpoint_made",
        ".pth",
        lambda: [Made(samples.checkpoint_values(), samples.saved)],
        files.checkpoint,
    ),
    Reader("safetensors", ".safetensors", lambda: [samples.safetensors()], files.checkpoint),
    Reader("weights", ".pth", lambda: [Made(samples.small_weights(), samples.saved)], files.weights),
    Reader("weights_safetensors", ".safetensors", lambda: [samples.bundle_weights()], files.weights),
    Reader("resume", ".pth", lambda: [samples.checkpoint(True)], _placed("run/epoch_1.pth", files.resume)),
    Reader(
        "resume_marker",
        ".txt",
        lambda: [b"epoch_1.pth", b"../data/run/epoch_1.pth\n"],
        _placed("run/last_checkpoint", files.resume),
        files.write_work,
    ),
    Reader("bundle", ".json", _values(lambda: samples.CARD), files.bundle),
    Reader("jpeg", ".jpg", _images(".jpg"), files.image),
    Reader("png", ".png", _images(".png"), files.image),
    Reader("bmp_gif_webp", ".bmp", _images(".bmp", ".gif", ".webp"), files.image),
    Reader("tiff_ppm_jp2", ".tif", _images(".tiff", ".ppm", ".jp2"), files.image),
    Reader("video", ".mp4", lambda: [samples.video(".mp4"), samples.video(".avi")], files.video),
    Reader("cfg_options", ".txt", lambda: files.OPTIONS, files.options),
    Reader("image_ids", ".json", _values(lambda: [5, 6]), people.image_ids, people.write_truth),
    Reader(
        "plan", ".json", _of_sweep("plan.json"), _placed("sweep/plan.json", files.sweep), files.write_sweep
    ),
    Reader(
        "cell",
        ".json",
        _of_sweep("cell.json"),
        _placed(f"{files.CELL}/cell.json", files.sweep),
        files.write_sweep,
    ),
    Reader(
        "run",
        ".json",
        _of_sweep("run.json"),
        _placed(f"{files.CELL}/run.json", files.sweep),
        files.write_sweep,
    ),
    Reader(
        "scalars",
        ".json",
        _of_sweep("scalars.json"),
        _placed(f"{files.CELL}/1/vis_data/scalars.json", files.sweep),
        files.write_sweep,
    ),
    Reader(
        "progress",
        ".json",
        _of_sweep("progress.json"),
        _placed(f"{files.CELL}/progress.json", files.progress),
        files.write_sweep,
    ),
    Reader("labels_coco", ".json", _values(samples.coco), labels.propose, labels.write_pictures),
    Reader("labels_labelme", ".json", _values(labels.labelme), labels.propose, labels.write_pictures),
    Reader("labels_cvat", ".xml", lambda: [labels.CVAT], labels.propose, labels.write_pictures),
    Reader("labels_deeplabcut", ".csv", lambda: [labels.DEEPLABCUT], labels.propose, labels.write_pictures),
    Reader("labels_yolo", ".txt", lambda: [labels.YOLO], labels.of_yolo("a.txt"), labels.write_yolo),
    Reader(
        "errors_npz",
        ".npz",
        lambda: [samples.errors(), Made(samples.error_values(), samples.npz)],
        files.errors,
    ),
]
SLOW = ("bundle", "cfg_options", "weights", "plan", "cell", "run", "scalars", "resume_marker")
for _reader in ALL:
    _reader.share = 0.25 if _reader.name in SLOW else 1.0
READERS = {reader.name: reader for reader in ALL}
__all__ = ["READERS", "Reader", "mutate_text"]
