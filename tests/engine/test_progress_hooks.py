"""What a run shows while it goes."""

from __future__ import annotations

import pytest
from small_training import build as build_small
from small_training import write_people
from toy_training import ToyDataset, build, runner_log, scalars

from posekit.engine.hooks.progress import ImageFaultHook, people_line


def test_slow_iterations_still_show_progress(tmp_path):
    options = {"default_hooks.logger": {"interval": 1000, "seconds": 0.0}}
    runner = build(tmp_path, options)
    runner.train()
    log = next(runner_log(runner).glob("*.log")).read_text()
    assert log.count("Epoch(train)") == 9
    assert log.count("Epoch(val)") == 9
    assert "eta: " in log
    assert len([r for r in scalars(runner) if "iter" in r]) == 3


def test_image_faults_are_reported_once(tmp_path):
    options = {
        "train_dataloader.dataset.faulty": ["a.jpg", "b.jpg"],
        "val_dataloader.dataset.faulty": ["c.jpg"],
    }
    runner = build(tmp_path, options)
    runner.train()
    log = next(runner_log(runner).glob("*.log")).read_text()
    assert log.count("2 image(s) could not be read and were skipped: a.jpg, b.jpg") == 1
    file = tmp_path / "work" / "faulty_images.txt"
    assert file.read_text() == "train\ta.jpg\ntrain\tb.jpg\nval\tc.jpg\n"
    # Another run there replaces what it knows better, and leaves the rest.
    ImageFaultHook().report(runner, "train", ToyDataset(faulty=["b.jpg"]))
    assert file.read_text() == "val\tc.jpg\ntrain\tb.jpg\n"


def test_each_stage_says_once_whom_it_has(tmp_path):
    runner = build(tmp_path)
    runner.train()
    log = next(runner_log(runner).glob("*.log")).read_text()
    said = "24 people of toy; left out: 3 crowd, 1,200 bad record; 12 keypoints outside the image carry no"
    assert log.count(f"train: {said} weight") == log.count(f"val: {said} weight") == 1
    assert (
        people_line({"people": 1500, "ann_file": "x.json", "counts": {"crowd": 0}})
        == "1,500 people of x.json"
    )
    detected = {"people": 2, "ann_file": "x.json", "counts": {}, "box_source": "d.json"}
    assert people_line(detected) == "2 people of x.json; boxes: d.json"


def test_a_curve_that_cannot_be_drawn_stops_nothing(tmp_path, monkeypatch):
    import posekit.visualization

    def broken(*args, **options):
        raise RuntimeError("no fonts")

    monkeypatch.setattr(posekit.visualization, "plot_curves", broken)
    runner = build(tmp_path, {"default_hooks.curves": {}})
    runner.train()
    assert (
        "curves.png was not drawn: RuntimeError: no fonts"
        in next(runner_log(runner).glob("*.log")).read_text()
    )


CHOICE = "the best weights (save_best"


def log_of(runner):
    runner.train()
    return next(runner_log(runner).glob("*.log")).read_text()


def test_best_weights_chosen_on_what_is_tested_are_told_with_a_remedy(tmp_path):
    log = log_of(build(tmp_path))
    said = (
        f"{CHOICE} 'toy/accuracy') are chosen by people whom tools/test.py scores: the test people are the "
    )
    assert log.count(f"WARNING - {said}validation people.") == 1
    assert "validate on people held back from training: give val" in log


@pytest.mark.parametrize(
    "options",
    [
        {"default_hooks.checkpoint.save_best": None},
        {"test_dataloader": None, "test_evaluator": None, "test_cfg": None},
    ],
)
def test_where_nothing_is_chosen_or_tested_nothing_is_said(tmp_path, options):
    assert "validation people" not in log_of(build(tmp_path, options))


def test_a_test_file_that_is_not_there_stops_no_training(tmp_path):
    """Said of it once; and of a test on the training's people, who are others, nothing."""
    people, said = write_people(tmp_path, 8), []
    for name in ("none", "train", "val"):
        source = {"type": "load_coco", "ann_file": f"annotations/person_keypoints_{name}.json"}
        loader = {
            "batch_size": 4, "num_workers": 0, "sampler": {"type": "EpochSampler", "shuffle": False},
            "dataset": {"type": "TopDownDataset", "source": {**source, "image_dir": "images"}},
        }  # fmt: skip
        metric = [{"type": "PCKMetric", "threshold": 0.5, "norm": "bbox"}]
        options = {"train_cfg.max_epochs": 1, "test_dataloader": loader, "test_evaluator": metric}
        options["param_scheduler"] = None
        said.append(log_of(build_small(tmp_path, people, options, name)))
    unknown = "save_best 'PCK@0.5/mean': whether test people are among the validation people cannot be told"
    assert [log.count(unknown) for log in said] == [1, 0, 0]
    assert [log.count(CHOICE) for log in said] == [0, 0, 1]
    assert "person_keypoints_none.json: file not found" in said[0]
