"""The benchmarks and their command line at a tiny size: what is measured and reported, never how fast."""

from __future__ import annotations

import importlib
import importlib.util
import json
import math
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import reference
import torch

from posekit.datasets import COCO17

SCRIPT = reference.ROOT / "tools" / "benchmark.py"
ROWS = {
    "train-sample": ["JPEG -> sample"],
    "train-sample-memory": ["decoded image -> sample"],
    "train-sample-pixels": ["sample with pixels"],
    "test-sample": ["20 boxes per image"],
    "crop-sample": ["colours 4:2:0", "colours 4:4:4"],
    "targets": ["MSRA encode"],
    "decode": ["MSRA, quarter cell", "DARK", "UDP"],
    "decode-simcc": ["SimCC, relative scores", "SimCC, raw scores"],
    "coco-metric": ["whole metric", "with the files", "greatest difference"],
    "pckh": ["arrays", "poses"],
    "import": ["Predictor", "Predictor ready", "first photo", "all of training"],
    "command": ["posekit --help", "a config that is missing"],
    "table-memory": ["held", "added by a worker"],
    "coco-load": ["first start", "again", "8 spawned workers", "memory at its peak", "memory of each worker"],
    "predictor": ["1 box", "8 boxes"],
    "bundled": ["folded", "onnx", "bf16"],
    "network": ["folded", "onnx", "bf16"],
    "kept-memory": ["train-step"],
    "busy-machine": ["predictor beside a busy process", "predictor alone"],
    "train-step": ["forward + backward", "with Adam"],
    "rle-step": ["RLE, forward + backward"],
    "face-metric": ["10,000 faces"],
    "face-step": ["CNN-6"],
}

SLOW = ("import", "coco-load", "kept-memory", "busy-machine")  # they start processes, which import torch


def load_tool() -> Any:
    spec = importlib.util.spec_from_file_location("benchmark_tool", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(SCRIPT.parent))  # as where Python runs the script; not for long, it has a test.py
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(SCRIPT.parent))
    return module


TOOL = load_tool()
COMMON, SAMPLES, PROCESS, REPORT = (
    importlib.import_module(f"benchmarks.{name}") for name in ("common", "samples", "process", "report")
)


@pytest.fixture(autouse=True)
def _same_threads_afterwards() -> Any:
    import torch

    before = torch.get_num_threads(), cv2.getNumThreads()
    yield
    torch.set_num_threads(before[0])
    cv2.setNumThreads(before[1])


def report_of(tmp_path: Path, *words: object) -> dict[str, Any]:
    out = tmp_path / "report.json"
    tiny = ["--fraction", "0.002", "--repeats", "1", "--json", str(out)]
    assert TOOL.main([*map(str, words), *tiny]) == 0
    return json.loads(out.read_text("utf-8"))


def test_a_card_is_measured_in_small_on_a_cpu(tmp_path: Path, monkeypatch: Any, capsys: Any) -> None:
    gpu = importlib.import_module("benchmarks.gpu")
    forms = ("float32", "bfloat16, channels_last")
    monkeypatch.setattr(gpu, "FORMS", {name: gpu.FORMS[name] for name in forms})
    monkeypatch.setattr(gpu, "WORKERS", (1,))
    found = report_of(tmp_path, "gpu", "--device", "cpu")
    assert [(row["network"], row["form"], row["what"]) for row in found["rows"]] == [
        (network, form, what)
        for network in gpu.NETWORKS
        for form in forms
        for what in ("training", "test with mirror images")
    ]
    for row in found["rows"]:
        assert row["images/s"] > 0
        assert row["share"] == pytest.approx(row["TFLOP/s"] / found["peak"])
        assert row["memory, GB"] is None
    assert set(found["best"]) == set(gpu.NETWORKS)
    assert found["skipped"] == []
    for operations in found["where"].values():
        assert 0 < sum(one["share"] for one in operations) <= 1.001
    assert "trained fastest in" in capsys.readouterr().out


def test_what_a_card_had_no_time_for_is_said(tmp_path: Path, monkeypatch: Any, capsys: Any) -> None:
    gpu = importlib.import_module("benchmarks.gpu")
    monkeypatch.setattr(gpu, "_peak", lambda card: 1.0)
    found = report_of(tmp_path, "gpu", "--device", "cpu", "--minutes", "0")
    assert found["rows"] == []
    assert len(found["skipped"]) == len(gpu.NETWORKS) * len(gpu.FORMS) * 2 + 1
    assert "HRNet-W32 256x192, float32: training" in capsys.readouterr().out


def test_a_batch_that_does_not_fit_is_halved(monkeypatch: Any) -> None:
    gpu = importlib.import_module("benchmarks.gpu")
    card = gpu.Card(torch.device("cpu"), 0.002, math.inf)

    def make(device: torch.device, backbone: Any, words: Any, batch: int) -> Any:
        def step() -> None:
            if batch > 3:
                raise torch.OutOfMemoryError

        return step

    assert gpu._measured(card, make, {}, {}, 12, 1.0)["batch"] == 3


@pytest.mark.parametrize(
    ("words", "message"),
    [(["gpu", "predictor"], "gpu runs alone"), (["gpu", "--device", "cuda"], "torch sees no GPU")],
)
def test_a_card_that_is_not_there_is_said(words: list[str], message: str, capsys: Any) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    assert TOOL.main(words) == 2
    assert message in capsys.readouterr().err


def test_every_benchmark_is_tested() -> None:
    assert list(TOOL.BENCHMARKS) == list(ROWS)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow if name in SLOW else ()) for name in ROWS]
)
def test_report(tmp_path: Path, capsys: pytest.CaptureFixture, name: str) -> None:
    if name == "table-memory" and not PROCESS.SMAPS.exists():
        pytest.skip("the memory of a worker is measured on Linux only")
    report = report_of(tmp_path, name)
    rows = [row for row in report["rows"] if row["benchmark"] == name]
    if name in ("bundled", "network"):  # a backend that cannot be had here is left out
        assert rows[0]["what"] == "folded"
        assert set(ROWS[name]) >= {row["what"] for row in rows}
    else:
        assert [row["what"] for row in rows] == ROWS[name]
    for row in rows:
        assert set(row) == {
            "benchmark", "what", "posekit", "reference", "unit", "reference_is", "ratio", "target", "reached"
        }  # fmt: skip
        assert row["target"].lstrip("ratio ")[:2] in ("<=", ">=")
        assert row["reached"] is None  # a fraction of the size is not judged
        assert math.isfinite(row["posekit"])
        if row["reference"]:
            assert row["ratio"] == pytest.approx(row["posekit"] / row["reference"])
    printed = capsys.readouterr().out
    assert all(f"{name}: {row['what']}" in printed for row in rows)


def test_report_states_machine_threads_and_versions(tmp_path: Path) -> None:
    report = report_of(tmp_path, "targets", "--threads", 1)
    assert report["threads"] == 1
    assert report["clock"] == "CPU time"
    assert report["repeats"] == 1
    assert report["machine"]
    assert set(report["versions"]) == {"python", "posekit", "torch", "numpy", "cv2"}


def test_coco_numbers_are_those_of_pycocotools(tmp_path: Path) -> None:
    row = report_of(tmp_path, "coco-metric")["rows"][-1]
    assert row["posekit"] <= 1e-9


def test_medians_are_taken_in_turns(tmp_path: Path) -> None:
    asked: list[str] = []
    times = {"a": iter([9.0, 1.0, 5.0, 3.0]), "b": iter([9.0, 2.0, 2.0, 8.0])}

    def timer(name: str) -> Any:
        return lambda: asked.append(name) or next(times[name])

    medians = COMMON.Settings(tmp_path, repeats=3).in_turns(timer("a"), timer("b"))
    assert medians == [3.0, 2.0]  # the first turn warms up
    assert "".join(asked) == "ab" * 4


@pytest.mark.parametrize(
    ("value", "reference_value", "full", "reached"),
    [(1.5, 1.0, True, True), (1.6, 1.0, True, False), (1.6, 1.0, False, None)],
)
def test_judgement_of_a_number(
    value: float, reference_value: float, full: bool, reached: bool | None
) -> None:
    row = COMMON.Row("MSRA encode", value, reference_value, "ms", "floor")
    judged = REPORT.judge("targets", row, full)
    assert judged["target"] == "<= 1.5 ms"
    assert judged["reached"] is reached


def test_judgement_of_a_ratio() -> None:
    judged = [
        REPORT.judge("train-sample", COMMON.Row("JPEG -> sample", v, 100.0, "samples/s", "floor"), True)
        for v in (90.0, 89.0)
    ]
    assert [row["reached"] for row in judged] == [True, False]


def test_two_reports_are_compared_by_their_ratios(tmp_path: Path, capsys: Any) -> None:
    def report(name: str, ratio: float | None, torch_version: str, *more: str) -> str:
        row = {"benchmark": "decode", "posekit": 3.0, "unit": "ms", "ratio": ratio}
        rows = [{**row, "what": what} for what in ("UDP", *more)]
        path = tmp_path / f"{name}.json"
        path.write_text(
            json.dumps({"versions": {"torch": torch_version}, "load_average": [ratio], "rows": rows})
        )
        return str(path)

    before = report("a", 0.5, "2.4")
    assert TOOL.main(["--compare", before, report("b", 0.6, "2.5", "DARK")]) == 0
    printed = capsys.readouterr().out
    assert "versions: {'torch': '2.4'} (A), {'torch': '2.5'} (B)" in printed
    assert "load_average" not in printed
    line = next(line for line in printed.splitlines() if "decode: UDP" in line)
    assert "0.5" in line
    assert "0.6" in line
    assert "1.20" in line
    assert "only in B: decode: DARK" in printed
    assert TOOL.main(["--compare", before, report("c", None, "2.4")]) == 0
    line = next(line for line in capsys.readouterr().out.splitlines() if "decode: UDP" in line)
    assert "1.00" in line  # the numbers themselves
    assert "no reference" in line
    (tmp_path / "other.json").write_text('{"rows": [1]}')
    assert TOOL.main(["--compare", before, str(tmp_path / "other.json")]) == 2
    assert "expected a report of tools/benchmark.py" in capsys.readouterr().err
    assert TOOL.main(["decode", "--compare", before, before]) == 2


def test_what_was_missed_is_summed_up() -> None:
    rows = [
        {"benchmark": "decode", "what": name, "reached": r}
        for name, r in zip("abc", (True, False, None), strict=True)
    ]
    assert REPORT.summary(rows) == "1 of 2 targets reached\n  missed: decode: b"
    assert TOOL.choose(["all"]) == list(TOOL.BENCHMARKS)


def test_photos_make_jpegs_of_the_size_of_cocos() -> None:
    encoded = cv2.imencode(".jpg", SAMPLES.synthetic_photo(0))[1]
    assert 120_000 < len(encoded) < 200_000


def test_own_images(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    for number in range(2):
        cv2.imwrite(str(tmp_path / "photos" / f"{number}.jpg"), np.full((60, 80, 3), 90, np.uint8))
    content = {
        "images": [{"id": i, "file_name": f"{i}.jpg", "height": 60, "width": 80} for i in range(2)],
        "categories": [{"id": 1, "name": "person", "keypoints": list(COCO17.keypoints)}],
        "annotations": [
            {"id": i + 1, "image_id": i, "category_id": 1, "keypoints": [20, 20, 2] * 17, "iscrowd": 0,
             "num_keypoints": 17, "bbox": [5, 5, 40, 50], "area": 900.0}
            for i in range(2)
        ],
    }  # fmt: skip
    (tmp_path / "people.json").write_text(json.dumps(content), "utf-8")
    words = ("--images", tmp_path / "photos", "--annotations", tmp_path / "people.json")
    report = report_of(tmp_path, "train-sample", "test-sample", *words)
    assert report["pictures"] == str(tmp_path / "photos")
    assert len(report["rows"]) == 4


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["speed"], "speed"),
        (["targets", "--images", "somewhere"], "--annotations"),
        (["targets", "--repeats", "0"], "--repeats"),
        (["targets", "--fraction", "2"], "--fraction"),
        (["train-sample", "--images", "nowhere", "--annotations", "nowhere.json"], "nowhere.json"),
    ],
)
def test_wrong_input_ends_with_status_2(capsys: pytest.CaptureFixture, words: list[str], named: str) -> None:
    assert TOOL.main(words) == 2
    assert named in capsys.readouterr().err
