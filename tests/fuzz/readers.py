"""Every reader with its valid files: what is mutated, how, and how the mutated file is read and used."""

from __future__ import annotations

import contextlib
import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from . import samples
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


def _inside(table: Any, folder: Path) -> None:
    """The pictures of a table that was accepted are looked for and read as a training does it."""
    from posekit.datasets.images import missing_images, read_image
    from posekit.errors import PosekitError

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


def _coco(policy: str, **options: Any) -> Callable[[Path], Any]:
    def read(path: Path) -> Any:
        from posekit.datasets.coco import load_coco

        table = load_coco(str(path), str(path.parent), samples.SKELETON, on_bad_record=policy, **options)
        _inside(table, path.parent)

    return read


def _detections(boxes: str) -> Callable[[Path], Any]:
    def read(path: Path) -> Any:
        from posekit.datasets.coco import load_coco

        truth = str(path.parent / "truth.json")
        _inside(
            load_coco(truth, str(path.parent), samples.SKELETON, detections=str(path), boxes=boxes),
            path.parent,
        )

    return read


def _write_truth(folder: Path) -> None:
    (folder / "truth.json").write_bytes(samples.packed(samples.coco()))
    (folder / "heads.mat").write_bytes(samples.head_boxes())


def _read_truth(path: Path) -> Any:
    from posekit.metrics.ground_truth import choose_sigmas, read_coco
    from posekit.metrics.results import read_results

    people = read_coco(path)
    choose_sigmas(people)
    (path.parent / "own.json").write_text("[]")
    read_results(path.parent / "own.json", people)


def _read_crowd(path: Path) -> Any:
    from posekit.metrics.crowdpose import read_crowd_index, read_crowdpose

    read_crowd_index(path, read_crowdpose(path).truth.image_ids)


def _results(path: Path) -> Any:
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


def _detection_file(path: Path) -> Any:
    from posekit.inference.detections import DetectionFile

    found = DetectionFile(path, 0.1)
    for image in (5, Path("000006.jpg"), Path("a.png")):
        boxes, scores = found.of(image)
        assert boxes.shape == (len(scores), 4)


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


def _partial(folder: Path) -> Any:
    from posekit.detection.results import PartialRun

    with PartialRun(folder / "out.json", {"a": 1}) as run:
        run.add([{"key": "z", "boxes": []}])


def _detector_data(path: Path) -> Any:
    from posekit.detection.dataset import PeopleImages
    from posekit.detection.pictures import list_pictures
    from posekit.errors import PosekitError

    with contextlib.suppress(PosekitError):
        list_pictures([str(path)])
    found = PeopleImages(str(path), str(path.parent), on_bad_image="skip")
    with contextlib.suppress(PosekitError):  # names the folder
        found[0]


def _mpii(split: str, **options: Any) -> Callable[[Path], Any]:
    def read(path: Path) -> Any:
        from posekit.datasets.mpii import load_mpii

        _inside(load_mpii(str(path), str(path.parent), split, **options), path.parent)

    return read


def _mpii_heads(path: Path) -> Any:
    from posekit.datasets.mpii import load_mpii
    from posekit.metrics.mpii_truth import read_mpii
    from posekit.metrics.results import read_mpii_predictions

    load_mpii(str(path.parent / "own.json"), str(path.parent), "val", str(path))
    people = read_mpii(path)
    assert np.isfinite(people.head_sizes).all()
    read_mpii_predictions(path.parent / "preds.mat", people)


def _write_mpii(folder: Path) -> None:
    import json

    (folder / "own.json").write_text(json.dumps(samples.mpii_hrnet()))
    (folder / "preds.mat").write_bytes(samples.predictions_mat())
    (folder / "heads.mat").write_bytes(samples.head_boxes())


def _mpii_official(path: Path) -> Any:
    from posekit.datasets.mpii import load_mpii
    from posekit.datasets.mpii_mat import read_test_images

    read_test_images(str(path))
    _inside(load_mpii(str(path), str(path.parent), "trainval", on_bad_record="skip"), path.parent)
    load_mpii(str(path), str(path.parent), "test")


def _mpii_truth(path: Path) -> Any:
    from posekit.metrics.mpii_truth import read_mpii

    read_mpii(path, path.parent / "heads.mat")


def _mpii_predictions(path: Path) -> Any:
    from posekit.metrics.mpii_truth import read_mpii
    from posekit.metrics.pckh import pckh
    from posekit.metrics.results import read_mpii_predictions

    people = read_mpii(path.parent / "heads.mat")
    predicted = read_mpii_predictions(path, people)
    with np.errstate(all="ignore"):
        pckh(predicted, people.joints, people.annotated, people.head_sizes)


def _lsp(path: Path) -> Any:
    from posekit.datasets.lsp import load_lsp

    _inside(load_lsp(str(path), str(path.parent), on_bad_record="skip"), path.parent)


def _write_pictures(folder: Path) -> None:
    (folder / "a.png").write_bytes(samples.picture(".png"))
    for number in range(1, 7):
        for digits in (4, 5):
            (folder / f"im{number:0{digits}d}.jpg").write_bytes(samples.picture(".jpg"))


def _checkpoint(path: Path) -> Any:
    from posekit.engine.checkpoint import read_checkpoint, to_plain, weights_of

    content = read_checkpoint(path)
    repr(content)
    with contextlib.suppress(TypeError):  # of a stand-in for something that was not read
        to_plain(content)
    weights_of(content, path)


def _weights(path: Path) -> Any:
    """As a model or a config's ``load_from`` takes a checkpoint."""
    from posekit.models.released import load_into

    load_into(_small_network(), path)


@lru_cache(maxsize=1)
def _small_network() -> Any:
    from posekit.inference.bundle import build_estimator

    return build_estimator(samples.CARD["model"])


def _resume(folder: Path) -> Any:
    """What ``--resume`` finds in a work directory."""
    from posekit.engine.resume import find_checkpoint

    found = find_checkpoint(folder / "work")
    assert found is not None
    assert found.seed is None or isinstance(found.seed, int)


def _bundle(path: Path) -> Any:
    from posekit.inference.bundle import read_bundle

    weights = path.with_suffix(".safetensors")
    if not weights.exists():
        weights.write_bytes(samples.bundle_weights())
    read_bundle(weights)


def _image(path: Path) -> Any:
    from posekit.datasets.images import image_size_hw, read_image

    size = image_size_hw(path)
    image = read_image(path)
    assert (image.shape[2], image.dtype) == (3, np.uint8), (size, image.shape)
    read_image(path, orientation="apply")


def _video(path: Path) -> Any:
    from posekit.video import VideoReader

    for number, frame in enumerate(VideoReader(path)):
        assert frame.ndim == 3
        if number > 100:
            break


OPTIONS = [
    b"train_dataloader.batch_size=4",
    b"model.head.loss.type=FocalMSELoss",
    b"data_root=/data",
    b"param_scheduler.0.total_steps=16",
    b"model.test_scales=[1.0,0.75]",
    b"optim_wrapper.optimizer.lr=1e-3",
    b"model.backbone=dict(type='Hourglass')",
    b"train_cfg.max_epochs=3",
    b"skeleton=coco17",
    b"model.flip_test=False",
    b"randomness={'seed': 3, 'deterministic': (1, [2])}",
    b"train_dataloader.dataset.source.ann_file='a.json'",
    b"default_hooks.logger.interval=5",
    b"randomness.seed=3",
    b"model.type=posekit.models.PoseEstimator",
]


def _options(path: Path) -> Any:
    from posekit.engine.config import load_config, parse_options
    from posekit.errors import ConfigError

    root = Path(__file__).resolve().parents[2]
    words = path.read_bytes().decode("utf-8", "surrogateescape").split("\n")
    try:
        load_config(root / "configs/checks/overfit_coco_hourglass_s2.py", parse_options(words))
    except ConfigError as error:
        # There is no file to be named: the words stand on the command line.
        raise ConfigError(f"{path.name}: {error}") from error


# --- the files of a sweep --------------------------------------------------------------------------------

CELL = "sweep/cells/focal_g1_d0.001_s0"


def _write_sweep(folder: Path) -> None:
    sweep = samples.sweep()
    for place, content in sweep.items():
        (folder / "sweep" / place).parent.mkdir(parents=True, exist_ok=True)
        (folder / "sweep" / place).write_bytes(content)


def _sweep(folder: Path) -> Any:
    """The folder as the report, the figures and a sweep that goes on read it."""
    from posekit.study.live import rows, table
    from posekit.study.plan import read_plan
    from posekit.study.record import foreground, read_cell, validations
    from posekit.study.table import read_table, rows_as_dicts
    from posekit.visualization.sweep_records import final_scores, foreground_of, read_sweep, val_curves

    out = folder / "sweep"
    found = read_table(out)
    rows_as_dicts(found)
    cells = read_sweep(out, [])
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a mean over nothing
        for name in ("PCK@0.2/mean12", "AP"):
            val_curves(cells, name), final_scores(cells, name, True), final_scores(cells, name, False)
        foreground_of(cells)
    names = [row.cell.name for row in found.rows]
    for name in names:
        validations(out / "cells" / name), foreground(out / "cells" / name)
    plan = read_plan(out)
    assert plan is not None
    table(rows(plan, [row.cell for row in found.rows], {name: read_cell(out, name) for name in names}))


def _progress(folder: Path) -> Any:
    """A damaged one must not be taken for an empty one."""
    from posekit.study.record import Progress

    progress = Progress(folder / CELL)
    progress.start("test")
    progress.stop("test", 1.0, done=True)


def _errors(path: Path) -> Any:
    from posekit.study.errors import read_errors

    errors = read_errors(path).by_person()
    with np.errstate(all="ignore"):
        errors.right()


def _image_ids(path: Path) -> Any:
    """The file that ``tools/evaluate.py --images`` takes."""
    from posekit.metrics.ground_truth import read_coco

    read_coco(path.parent / "truth.json", _evaluate_tool()["read_image_ids"](str(path)), ids_from=str(path))


@lru_cache(maxsize=1)
def _evaluate_tool() -> dict[str, Any]:
    import runpy

    return runpy.run_path(str(Path(__file__).resolve().parents[2] / "tools" / "evaluate.py"))


def _write_work(folder: Path) -> None:
    (folder / "work").mkdir()
    (folder / "work" / "epoch_1.pth").write_bytes(samples.checkpoint(True))


def _values(*makers: Callable[[], Any]) -> Seeds:
    import json

    def make() -> list[Any]:
        values = [maker() for maker in makers]
        return [*values, *(json.dumps(value).encode() for value in values if not isinstance(value, bytes))]

    return make


def _of_sweep(name: str) -> Seeds:
    """The sweep's file of that name; a json of one line as a value."""
    import json

    own = CELL.partition("/")[2]
    content = next(
        samples.sweep()[place]
        for place in (name, f"{own}/{name}", f"{own}/1/vis_data/{name}")
        if place in samples.sweep()
    )
    return lambda: [content] if content.count(b"\n") > 1 else [json.loads(content), content]


def _images(*suffixes: str) -> Seeds:
    return lambda: [samples.picture(suffix) for suffix in suffixes]


ALL = [
    Reader("coco", ".json", _values(samples.coco), _coco("error")),
    Reader("coco_skip", ".json", _values(samples.coco), _coco("skip")),
    Reader("coco_raw_boxes", ".json", _values(samples.coco), _coco("skip", clean_boxes=False)),
    Reader("detections", ".json", _values(samples.detections), _detections("detected"), _write_truth),
    Reader("matched", ".json", _values(samples.detections), _detections("detected_matched"), _write_truth),
    Reader("detection_file", ".json", _values(samples.detections, samples.coco), _detection_file),
    Reader(
        "partial_run",
        ".json",
        lambda: [b'{"settings": {"a": 1}}\n{"key": "5", "boxes": [[1, 2]]}\n'],
        _placed("out.json.partial", _partial),
    ),
    Reader("detector_data", ".json", _values(samples.coco), _detector_data, _write_pictures),
    Reader("truth", ".json", _values(samples.coco), _read_truth),
    Reader("crowdpose", ".json", _values(samples.crowdpose), _read_crowd),
    Reader("results", ".json", _values(samples.results), _results, _write_truth),
    Reader("json_gz", ".json.gz", lambda: [samples.packed(samples.coco())], _coco("error")),
    Reader("mpii_hrnet", ".json", _values(samples.mpii_hrnet), _mpii("val")),
    Reader(
        "mpii_pytorch_pose", ".json", _values(samples.mpii_pytorch_pose), _mpii("val", on_bad_record="skip")
    ),
    Reader("mpii_json_gz", ".json.gz", lambda: [samples.packed(samples.mpii_pytorch_pose())], _mpii("val")),
    Reader(
        "mpii_official",
        ".mat",
        lambda: [samples.official(), samples.official(True), Made(samples.official_values(), samples.mat)],
        _mpii_official,
    ),
    Reader(
        "mpii_heads",
        ".mat",
        lambda: [samples.head_boxes(), samples.head_boxes(True), Made(samples.head_values(), samples.mat)],
        _mpii_heads,
        _write_mpii,
    ),
    Reader(
        "mpii_truth",
        ".json",
        _values(samples.mpii_hrnet, samples.mpii_pytorch_pose),
        _mpii_truth,
        _write_mpii,
    ),
    Reader(
        "mpii_pred_mat",
        ".mat",
        lambda: [samples.predictions_mat(), Made({"preds": samples.predictions()}, samples.mat)],
        _mpii_predictions,
        _write_mpii,
    ),
    Reader(
        "mpii_pred_npy",
        ".npy",
        lambda: [samples.npy(), Made(samples.predictions(), samples.npy)],
        _mpii_predictions,
        _write_mpii,
    ),
    Reader("mpii_pred_json", ".json", _values(lambda: [[[1.5, 2]] * 16] * 3), _mpii_predictions, _write_mpii),
    Reader(
        "lsp",
        ".mat",
        lambda: [samples.lsp(), samples.lsp(True), Made(samples.lsp_values(), samples.mat)],
        _lsp,
        _write_pictures,
    ),
    Reader("checkpoint_zip", ".pth", lambda: [samples.checkpoint(True)], _checkpoint),
    Reader("checkpoint_legacy", ".pth.tar", lambda: [samples.checkpoint(False)], _checkpoint),
    Reader(
        "checkpoint_made", ".pth", lambda: [Made(samples.checkpoint_values(), samples.saved)], _checkpoint
    ),
    Reader("safetensors", ".safetensors", lambda: [samples.safetensors()], _checkpoint),
    Reader("weights", ".pth", lambda: [Made(samples.small_weights(), samples.saved)], _weights),
    Reader("weights_safetensors", ".safetensors", lambda: [samples.bundle_weights()], _weights),
    Reader("resume", ".pth", lambda: [samples.checkpoint(True)], _placed("work/epoch_1.pth", _resume)),
    Reader(
        "resume_marker",
        ".txt",
        lambda: [b"epoch_1.pth", b"../data/work/epoch_1.pth\n"],
        _placed("work/last_checkpoint", _resume),
        _write_work,
    ),
    Reader("bundle", ".json", _values(lambda: samples.CARD), _bundle),
    Reader("jpeg", ".jpg", _images(".jpg"), _image),
    Reader("png", ".png", _images(".png"), _image),
    Reader("bmp_gif_webp", ".bmp", _images(".bmp", ".gif", ".webp"), _image),
    Reader("tiff_ppm_jp2", ".tif", _images(".tiff", ".ppm", ".jp2"), _image),
    Reader("video", ".mp4", lambda: [samples.video(".mp4"), samples.video(".avi")], _video),
    Reader("cfg_options", ".txt", lambda: OPTIONS, _options),
    Reader("image_ids", ".json", _values(lambda: [5, 6]), _image_ids, _write_truth),
    Reader("plan", ".json", _of_sweep("plan.json"), _placed("sweep/plan.json", _sweep), _write_sweep),
    Reader("cell", ".json", _of_sweep("cell.json"), _placed(f"{CELL}/cell.json", _sweep), _write_sweep),
    Reader("run", ".json", _of_sweep("run.json"), _placed(f"{CELL}/run.json", _sweep), _write_sweep),
    Reader(
        "scalars",
        ".json",
        _of_sweep("scalars.json"),
        _placed(f"{CELL}/1/vis_data/scalars.json", _sweep),
        _write_sweep,
    ),
    Reader(
        "progress",
        ".json",
        _of_sweep("progress.json"),
        _placed(f"{CELL}/progress.json", _progress),
        _write_sweep,
    ),
    Reader(
        "errors_npz", ".npz", lambda: [samples.errors(), Made(samples.error_values(), samples.npz)], _errors
    ),
]
SLOW = ("bundle", "cfg_options", "weights", "plan", "cell", "run", "scalars", "resume_marker")
for _reader in ALL:
    _reader.share = 0.25 if _reader.name in SLOW else 1.0
READERS = {reader.name: reader for reader in ALL}
__all__ = ["READERS", "Reader", "mutate_text"]
