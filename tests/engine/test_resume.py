"""Resuming between epochs: from what, with what seed, and what stands in its way."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from mmengine.hooks import Hook
from toy_training import build, runner_log, scalars, weights, write_config

from posekit.engine.checkpoints.files import resume_words
from posekit.engine.checkpoints.resume import find_checkpoint
from posekit.engine.configs.config import load_config
from posekit.engine.runner import PoseRunner
from posekit.errors import CheckpointError
from posekit.io.checkpoint import read_checkpoint


def interrupted(trained, folder, keep):
    """The work directory as a run killed after an epoch leaves it."""
    source, _ = trained
    shutil.copytree(source / "work", folder / "work")
    for path in (folder / "work").glob("epoch_*.pth"):
        if path.name not in keep:
            path.unlink()
    (folder / "work" / "last_checkpoint").write_text(keep[-1])


def test_resuming_gives_the_same_weights(trained, tmp_path):
    interrupted(trained, tmp_path, ["epoch_2.pth"])
    runner = build(tmp_path, resume=True)
    runner.train()
    assert (runner.epoch, runner.iter) == (3, 9)
    assert torch.equal(weights(runner), weights(trained[1]))
    theirs, ours = (r.message_hub.log_scalars["train/loss"].data[0] for r in (trained[1], runner))
    assert ours.tolist() == theirs.tolist()
    # The curves of the resumed run hold the epochs before it, once each.
    records = scalars(runner)
    assert [r["step"] for r in records if "loss" in r] == [2, 3, 5, 6, 8, 9]
    assert [r["step"] for r in records if "toy/accuracy" in r] == [1, 2, 3]


def test_dropout_resumes_exactly(tmp_path):
    options = {"model.dropout": 0.5}
    whole = build(tmp_path, options)
    whole.train()
    half = build(tmp_path, {**options, "train_cfg.max_epochs": 2}, work_dir="half")
    half.train()
    rest = build(tmp_path, options, work_dir="half", resume=True)
    rest.train()
    assert torch.equal(weights(rest), weights(whole))


def test_resume_takes_a_path(trained, tmp_path):
    path = trained[0] / "work" / "epoch_2.pth"
    runner = build(tmp_path, resume=True, load_from=str(path))
    runner.train()
    assert torch.equal(weights(runner), weights(trained[1]))


def test_a_damaged_newest_checkpoint_is_passed_over(trained, tmp_path):
    interrupted(trained, tmp_path, ["epoch_2.pth", "epoch_3.pth"])
    newest = tmp_path / "work" / "epoch_3.pth"
    newest.write_bytes(newest.read_bytes()[:500])
    runner = build(tmp_path, resume=True)
    runner.train()
    assert torch.equal(weights(runner), weights(trained[1]))
    log = next(runner_log(runner).glob("*.log")).read_text()
    assert "epoch_3.pth: damaged" in log
    assert "resumed from" in log


def test_only_damaged_checkpoints_is_an_error(trained, tmp_path):
    interrupted(trained, tmp_path, ["epoch_3.pth"])
    (tmp_path / "work" / "epoch_3.pth").write_bytes(b"junk")
    with pytest.raises(CheckpointError, match="nothing to resume from"):
        build(tmp_path, resume=True).train()


def test_resume_without_a_checkpoint_starts_anew(trained, tmp_path):
    runner = build(tmp_path, resume=True)
    runner.train()
    assert torch.equal(weights(runner), weights(trained[1]))


def test_a_resumed_run_keeps_the_seed_it_began_with(tmp_path):
    whole = build(tmp_path, {"randomness.seed": 11})
    whole.train()
    build(tmp_path, {"randomness.seed": 11, "train_cfg.max_epochs": 2}, work_dir="half").train()
    rest = build(tmp_path, work_dir="half", resume=True)  # the config says 0
    rest.train()
    assert rest.seed == rest.cfg.randomness.seed == 11
    assert torch.equal(weights(rest), weights(whole))
    record = json.loads((tmp_path / "half" / "run.json").read_text())
    assert record["seed"] == 11
    assert "resuming with seed 11" in next(runner_log(rest).glob("*.log")).read_text()


def test_a_stated_seed_wins_over_the_checkpoints(trained, tmp_path):
    interrupted(trained, tmp_path, ["epoch_2.pth"])
    cfg = load_config(write_config(tmp_path))
    cfg.work_dir, cfg.resume = str(tmp_path / "work"), True
    runner = PoseRunner.from_cfg(cfg, seed=5)
    runner.train()
    assert runner.seed == 5
    assert "trained with seed 0, this run has 5" in next(runner_log(runner).glob("*.log")).read_text()


def test_a_resume_that_fails_leaves_the_record_of_the_run(trained, tmp_path):
    interrupted(trained, tmp_path, ["epoch_2.pth"])
    before = {path: path.read_bytes() for path in (tmp_path / "work").rglob("*") if path.is_file()}
    with pytest.raises(CheckpointError, match="another architecture"):
        build(tmp_path, {"model.width": 9}, resume=True).train()
    after = {path: path.read_bytes() for path in (tmp_path / "work").rglob("*") if path.is_file()}
    assert after == before


def test_the_state_of_another_optimiser_is_refused(trained, tmp_path):
    interrupted(trained, tmp_path, ["epoch_2.pth"])
    with pytest.raises(CheckpointError, match="holds the state of Adam, this config has SGD"):
        build(tmp_path, {"optim_wrapper.optimizer.type": "SGD"}, resume=True).train()


@pytest.mark.parametrize("field", ["optimizer", "message_hub", "rng", "param_schedulers"])
def test_a_state_that_does_not_fit_is_named(trained, tmp_path, field):
    interrupted(trained, tmp_path, ["epoch_2.pth"])
    path = tmp_path / "work" / "epoch_2.pth"
    torch.save({**read_checkpoint(path), field: {"scalars": 3}}, path)
    with pytest.raises(CheckpointError, match=r"epoch_2\.pth"):
        build(tmp_path, resume=True).train()


def test_another_number_of_iterations_is_spoken_of(trained, tmp_path):
    interrupted(trained, tmp_path, ["epoch_2.pth"])
    runner = build(tmp_path, {"train_dataloader.batch_size": 12}, resume=True)
    runner.train()
    log = next(runner_log(runner).glob("*.log")).read_text()
    assert "has 6 iterations in 2 epochs, this run 2 in each" in log


def test_an_accumulation_ends_with_epochs_of_another_length(tmp_path):
    options = {"train_dataloader.batch_size": 3, "optim_wrapper.accumulative_counts": 2}
    build(tmp_path, options).train()
    options = {**options, "train_dataloader.batch_size": 6, "train_cfg.max_epochs": 4}
    runner = build(tmp_path, options, resume=True)
    runner.train()
    assert (runner.epoch, runner.iter, runner.max_iters) == (4, 3 * 8 + 4, 3 * 8 + 4)
    assert runner.message_hub.get_info("max_iters") == 28
    assert runner.message_hub.get_info("eta") == 0  # seconds, after the last iteration


def test_a_finished_run_says_so_and_is_left_alone(trained, tmp_path):
    interrupted(trained, tmp_path, ["epoch_3.pth"])
    before = {path: path.read_bytes() for path in (tmp_path / "work").iterdir() if path.is_file()}
    runner = build(tmp_path, {"model.dropout": 0.5}, resume=True)
    runner.train()
    assert {path: path.read_bytes() for path in (tmp_path / "work").iterdir() if path.is_file()} == before
    last = next(runner_log(runner).glob("*.log")).read_text().strip().splitlines()[-1]
    assert "nothing to train: 3 of 3 epochs are done" in last
    assert "--resume --cfg-options train_cfg.max_epochs=13" in last


def test_an_interrupted_validation_is_made_up_for(trained, tmp_path):
    """The last epoch was saved, and the process killed before its scores were there."""
    interrupted(trained, tmp_path, ["epoch_3.pth"])
    work = tmp_path / "work"
    best = read_checkpoint(work / "best_toy_accuracy.pth")["meta"]["best"]
    assert best["epoch"] == 3  # so that it is the one to come back
    (work / "best_toy_accuracy.pth").unlink()
    file = next(work.glob("*/vis_data/scalars.json"))
    lines = file.read_text().splitlines()
    assert "toy/accuracy" in lines[-1]
    file.write_text("\n".join(lines[:-1]) + "\n" + lines[-1][:20])  # cut off within its line
    runner = build(tmp_path, resume=True)
    runner.train()
    again = read_checkpoint(work / "best_toy_accuracy.pth")["meta"]["best"]
    assert again == best
    records = scalars(runner)
    assert [r["step"] for r in records if "toy/accuracy" in r] == [1, 2, 3]
    # Once made up for, it is not done again.
    third = build(tmp_path, resume=True)
    third.train()
    assert "doing that first" not in next(runner_log(third).glob("*.log")).read_text()


def test_the_best_weights_are_kept_even_if_only_their_scores_came_to_the_log(trained, tmp_path):
    """The process was killed between the two."""
    interrupted(trained, tmp_path, ["epoch_3.pth"])
    path = tmp_path / "work" / "best_toy_accuracy.pth"
    best = read_checkpoint(path)
    assert best["meta"]["best"]["epoch"] == 3
    older = {**best["meta"]["best"], "epoch": 2, "score": best["meta"]["best"]["score"] - 1}
    torch.save({**best, "meta": {**best["meta"], "best": older}}, path)
    build(tmp_path, resume=True).train()
    assert read_checkpoint(path)["meta"]["best"] == best["meta"]["best"]


def test_weights_alone_cannot_be_resumed(trained, tmp_path):
    best = trained[0] / "work" / "best_toy_accuracy.pth"
    with pytest.raises(CheckpointError, match="weights but not the state of a training"):
        build(tmp_path, resume=True, load_from=str(best)).train()


def test_the_best_is_remembered_across_a_resume(trained, tmp_path):
    interrupted(trained, tmp_path, ["epoch_2.pth"])
    best = tmp_path / "work" / "best_toy_accuracy.pth"
    content = read_checkpoint(best)
    content["meta"]["best"]["score"] = 1000.0  # nothing can beat this
    torch.save(content, best)
    build(tmp_path, resume=True).train()
    assert read_checkpoint(best)["meta"]["best"]["score"] == 1000.0
    # A new run in the same folder starts afresh.
    build(tmp_path).train()
    assert read_checkpoint(best)["meta"]["best"]["score"] < 1000.0


class KilledAfterValidation(Hook):
    """Ends a run when an epoch's validation has left its scores and weights, before its next step."""

    priority = "LOWEST"

    def after_val_epoch(self, runner, metrics=None):
        if runner.epoch == 2:
            raise RuntimeError("killed")


@pytest.mark.parametrize("plateau", [False, True])
def test_a_run_killed_after_a_validation_has_its_scores(tmp_path, plateau):
    """The checkpoint was written before it, and so knows of neither scores nor schedulers that go by them."""
    options = {"train_cfg.max_epochs": 4, "default_hooks.val_loss": {}}
    if plateau:
        steps = {"type": "mmengine.optim.ReduceOnPlateauLR", "monitor": "toy/accuracy", "patience": 0}
        options["param_scheduler"] = [{**steps, "factor": 0.5, "threshold": 50, "threshold_rule": "abs"}]
    whole = build(tmp_path, options, work_dir="whole")
    whole.train()
    killed = build(tmp_path, options)
    killed.register_hook(KilledAfterValidation())
    with pytest.raises(RuntimeError, match="killed"):
        killed.train()
    rest = build(tmp_path, options, resume=True)
    rest.train()
    assert torch.equal(weights(rest), weights(whole))
    ours, theirs = (r.message_hub.log_scalars for r in (rest, whole))
    assert ours.keys() == theirs.keys()
    for name in ours:
        if not name.endswith("time"):
            assert ours[name].data[0].tolist() == theirs[name].data[0].tolist(), name
    if plateau:
        assert len(set(ours["train/lr"].data[0])) > 1


@pytest.mark.parametrize("damage", ["header", "middle", "tail", "half", "zeros", "empty", "zeros at the end"])
def test_wherever_the_newest_is_damaged_it_is_named_and_the_one_before_used(trained, tmp_path, damage):
    interrupted(trained, tmp_path, ["epoch_2.pth", "epoch_3.pth"])
    newest = tmp_path / "work" / "epoch_3.pth"
    data = newest.read_bytes()
    middle = len(data) // 2
    newest.write_bytes(
        {
            "header": b"\0" * 16 + data[16:],
            "middle": data[:middle] + bytes([data[middle] ^ 255]) + data[middle + 1 :],
            "tail": data[:-30],
            "half": data[:middle],
            "zeros": bytes(len(data)),
            "empty": b"",
            "zeros at the end": data[:-4096] + bytes(4096),  # as a file system leaves it that lost its power
        }[damage]
    )
    found = find_checkpoint(tmp_path / "work")
    assert Path(found.path).name == "epoch_2.pth"
    assert len(found.passed_over) == 1
    assert "epoch_3.pth: damaged" in found.passed_over[0]
    assert resume_words(tmp_path / "work").startswith("the last checkpoint is")
    assert "epoch_2.pth" in resume_words(tmp_path / "work")
