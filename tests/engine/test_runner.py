"""The runner: training, resuming, logging, and what stops it."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path

import pytest
import torch
import toy_training
from mmengine.hooks import Hook
from mmengine.logging import MessageHub
from toy_training import ToyDataset, build, weights, write_config

from posekit.engine.checkpoint import read_checkpoint
from posekit.engine.config import load_config
from posekit.engine.loss_hooks import DivergenceError
from posekit.engine.progress_hooks import ImageFaultHook, people_line, training_records
from posekit.engine.runner import PoseRunner
from posekit.errors import CheckpointError, ConfigError


def scalars(runner):
    return training_records(runner_log(runner), 0, 0)


def runner_log(runner):
    return Path(runner.log_dir)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Three epochs, left alone."""
    folder = tmp_path_factory.mktemp("trained")
    runner = build(folder, {"default_hooks.curves": {}})
    runner.train()
    return folder, runner


def test_what_a_run_leaves(trained):
    folder, _ = trained
    work = folder / "work"
    names = {path.name for path in work.iterdir() if path.is_file()}
    assert names == {
        "epoch_2.pth",
        "epoch_3.pth",
        "best_toy_accuracy.pth",
        "last_checkpoint",
        "toy.py",
        "run.json",
        "curves.png",
    }
    assert (work / "last_checkpoint").read_text() == "epoch_3.pth"
    record = json.loads((work / "run.json").read_text())
    assert record["seed"] == 0
    assert record["config"].endswith("toy.py")
    assert {"command", "git", "versions", "device", "started", "torch_threads"} <= set(record)


def test_the_logged_losses_are_the_true_ones(trained, tmp_path):
    _, runner = trained
    train = [r for r in scalars(runner) if "loss" in r]
    # Batches of 8 from 24: logged after iterations 2 and 3 of each epoch, the mean over the last 2.
    assert [r["step"] for r in train] == [2, 3, 5, 6, 8, 9]
    history = runner.message_hub.log_scalars["train/loss"].data[0]
    assert len(history) == 9
    assert train[0]["loss"] == pytest.approx(history[:2].mean(), abs=1e-6)
    assert history[-3:].mean() < history[:3].mean()


def test_checkpoints_are_plain_and_say_what_they_are(trained):
    folder, runner = trained
    checkpoint = read_checkpoint(folder / "work" / "epoch_3.pth")
    meta = checkpoint["meta"]
    assert (meta["epoch"], meta["iter"], meta["seed"]) == (3, 9, 0)
    assert meta["skeleton"]["keypoints"] == ["spot"]
    # The live objects of the metainfo stayed out.
    assert meta["dataset"] == {
        "box_source": "ground truth",
        "ann_file": "toy",
        "people": 24,
        "counts": {"crowd": 3, "bad_record": 1200, "keypoints_outside_image": 12},
    }
    assert "ToyModel" in meta["cfg"]
    assert set(checkpoint) == {"meta", "state_dict", "optimizer", "message_hub", "rng", "param_schedulers"}
    for name, value in runner.model.state_dict().items():
        assert torch.equal(checkpoint["state_dict"][name], value)
    best = read_checkpoint(folder / "work" / "best_toy_accuracy.pth")
    assert set(best) == {"meta", "state_dict"}
    assert best["meta"]["best"]["metric"] == "toy/accuracy"


def test_a_dumped_config_trains_to_the_same_weights(trained, tmp_path):
    folder, runner = trained
    cfg = load_config(folder / "work" / "toy.py")
    cfg.work_dir = str(tmp_path / "again")
    again = PoseRunner.from_cfg(cfg)
    again.train()
    assert torch.equal(weights(again), weights(runner))


def test_the_seed_decides(trained, tmp_path):
    _, runner = trained
    other = build(tmp_path, {"randomness.seed": 1})
    other.train()
    assert not torch.equal(weights(other), weights(runner))


def test_two_runners_share_nothing(tmp_path):
    runners = [build(tmp_path, work_dir=f"w{i}") for i in range(3)]
    assert len({r.experiment_name for r in runners}) == 3
    assert len({id(r.message_hub) for r in runners}) == 3
    assert len({id(r.visualizer) for r in runners}) == 3
    assert len({id(r.logger) for r in runners}) == 3
    for r in runners:
        r.train()
    assert all(torch.equal(weights(r), weights(runners[0])) for r in runners)
    assert len({json.dumps(s["loss"]) for r in runners for s in scalars(r)[:1]}) == 1
    for r in runners:
        r.close()


def test_gradient_norms_go_to_their_own_log(tmp_path):
    options = {"optim_wrapper.clip_grad": {"max_norm": 1.0}}
    first, second = (build(tmp_path, options, work_dir=f"w{i}") for i in range(2))
    first.train()
    assert len(first.message_hub.log_scalars["train/grad_norm"].data[0]) == 9
    assert "train/grad_norm" not in second.message_hub.log_scalars


# --- resuming --------------------------------------------------------------------------------------------


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
    records = training_records(runner_log(runner), 2, 6)
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
    records = training_records(runner_log(runner), 3, 9)
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


def test_another_architecture_is_tabled(trained, tmp_path):
    path = str(trained[0] / "work" / "epoch_3.pth")
    with pytest.raises(CheckpointError, match=r"expected 9x108, found 8x108"):
        build(tmp_path, {"model.width": 9}, load_from=path).train()


def test_a_training_may_start_from_another_head_and_a_test_may_not(trained, tmp_path, monkeypatch):
    monkeypatch.setattr("posekit.models.released.loading._HEADS", ("layers.4.",))
    weights = read_checkpoint(trained[0] / "work" / "epoch_3.pth")["state_dict"]
    weights.update({"layers.4.weight": torch.zeros(5, 8), "layers.4.bias": torch.zeros(5)})
    path = tmp_path / "five.pth"
    torch.save({"state_dict": weights, "meta": {}}, path)
    with pytest.raises(
        CheckpointError, match=r"(?s)expected 2x8, found 5x8.*Only the head differs.*load_from"
    ):
        build(tmp_path, load_from=str(path)).test()
    runner = build(
        tmp_path, {"train_cfg.max_epochs": 1, "optim_wrapper.optimizer.lr": 0.0}, load_from=str(path)
    )
    runner.train()
    assert torch.equal(runner.model.layers[1].weight, weights["layers.1.weight"])
    assert runner.model.layers[4].weight.abs().min() > 0
    log = next(runner_log(runner).glob("*.log")).read_text()
    assert "five.pth does not fit layers.4: which start at random" in log


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


# --- hooks -----------------------------------------------------------------------------------------------


def test_checkpoints_are_pruned_after_the_marker_has_moved(tmp_path):
    build(tmp_path, {"train_cfg.max_epochs": 5, "default_hooks.checkpoint.max_keep_ckpts": 1}).train()
    work = tmp_path / "work"
    assert [p.name for p in work.glob("epoch_*.pth")] == ["epoch_5.pth"]
    build(
        tmp_path, {"train_cfg.max_epochs": 5, "default_hooks.checkpoint.interval": 2}, work_dir="w2"
    ).train()
    assert {p.name for p in (tmp_path / "w2").glob("epoch_*.pth")} == {"epoch_4.pth", "epoch_5.pth"}


@pytest.mark.parametrize(
    ("score", "expected"), [("toy/error", "best_toy_error.pth"), ("auto", "best_toy_accuracy.pth")]
)
def test_the_best_by_other_scores(tmp_path, score, expected):
    runner = build(tmp_path, {"default_hooks.checkpoint.save_best": score})
    runner.train()
    best = read_checkpoint(tmp_path / "work" / expected)["meta"]["best"]
    history = runner.message_hub.log_scalars[f"val/{best['metric']}"].data[0]
    assert best["score"] == (history.min() if score == "toy/error" else history.max())


def test_an_unknown_score_is_named_before_training(tmp_path):
    with pytest.raises(ConfigError, match="'toy/acuracy'; did you mean 'toy/accuracy'"):
        build(tmp_path, {"default_hooks.checkpoint.save_best": "toy/acuracy"}).train()
    assert not (tmp_path / "work").exists()
    # The loss is a score only where it is taken.
    with pytest.raises(ConfigError, match="'loss'; expected one of: toy/accuracy, toy/error, toy/people"):
        build(tmp_path, {"default_hooks.checkpoint.save_best": "loss"}).train()


def test_an_evaluator_that_does_not_say_its_scores_is_believed_until_it_scores(tmp_path, monkeypatch):
    monkeypatch.delattr(toy_training.ToyMetric, "score_names")
    with pytest.raises(ConfigError, match="'toy/acuracy'; did you mean 'toy/accuracy'"):
        build(tmp_path, {"default_hooks.checkpoint.save_best": "toy/acuracy"}).train()
    # ... and the epoch is not lost.
    assert (tmp_path / "work" / "epoch_1.pth").is_file()


def test_an_evaluator_that_cannot_score_nobody_does_not_stop_a_training(tmp_path, monkeypatch):
    monkeypatch.setattr(toy_training.ToyMetric, "score_names", lambda self: [][0])
    runner = build(tmp_path, {"train_cfg.max_epochs": 1})
    runner.train()
    log = next(runner_log(runner).glob("*.log")).read_text()
    assert "ToyMetric.score_names(): IndexError: list index out of range; 'save_best' is not checked" in log
    assert (tmp_path / "work" / "best_toy_accuracy.pth").is_file()


def test_a_best_without_a_validation_is_spoken_of(tmp_path):
    nothing = {"val_dataloader": None, "val_evaluator": None, "val_cfg": None}
    runner = build(tmp_path, {**nothing, "train_cfg.max_epochs": 1})
    runner.train()
    assert "nothing is validated" in next(runner_log(runner).glob("*.log")).read_text()


def test_impossible_hook_values():
    from posekit.engine.hooks import CheckpointHook

    with pytest.raises(ConfigError, match="interval"):
        CheckpointHook(interval=0)
    with pytest.raises(ConfigError, match="rule"):
        CheckpointHook(rule="more")


def test_a_loss_that_is_not_a_number_stops_with_the_batch(tmp_path):
    runner = build(tmp_path, {"train_dataloader.dataset.poison": [5]})
    with pytest.raises(DivergenceError) as caught:
        runner.train()
    message = str(caught.value)
    assert "loss is nan at iteration" in message
    assert "1005" in message
    assert "there is no checkpoint yet" in message


def test_weights_ruined_by_the_last_step_are_not_saved(tmp_path):
    """The loss of an epoch's last iteration is finite, what its step does to the weights is not."""
    runner = build(tmp_path, {"default_hooks.checkpoint.interval": 1})
    spoilt = []

    class Spoil(Hook):
        def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
            if runner.iter == 5:  # the last of the second epoch
                spoilt.append(outputs["loss"].item())
                with torch.no_grad():
                    runner.model.layers[1].weight[0, 0] = float("nan")

    runner.register_hook(Spoil())
    with pytest.raises(DivergenceError, match=r"in epoch 2 1 of 4 weights .*layers\.1\.weight") as caught:
        runner.train()
    assert math.isfinite(spoilt[0])
    assert "epoch_1.pth, --resume goes on from there" in str(caught.value)
    assert [path.name for path in (tmp_path / "work").glob("epoch_*.pth")] == ["epoch_1.pth"]


def test_losses_waiting_on_a_device_are_found_late_but_named_right():
    from types import SimpleNamespace

    from posekit.engine.hooks import LossLogHook

    hub = MessageHub("late")
    hook = LossLogHook()
    runner = SimpleNamespace(message_hub=hub, work_dir="/nonexistent", epoch=0)
    hook.waiting = [
        (0, {"loss": torch.tensor(1.0), "acc": torch.tensor(0.25)}, [1, 2]),
        (1, {"loss": torch.tensor(float("inf")), "acc": torch.tensor(0.5)}, [3, 4]),
        (2, {"loss": torch.tensor(3.0), "acc": torch.tensor(1.0)}, [5, 6]),
    ]
    with pytest.raises(DivergenceError, match=r"loss is inf at iteration 2 .*\[3, 4\]"):
        hook.flush(runner)
    assert hub.log_scalars["train/loss"].data[0].tolist() == [1.0]
    assert hook.waiting == []


def test_the_validation_loss_is_the_mean_over_people(tmp_path):
    options = {"default_hooks.val_loss": {}, "val_dataloader.batch_size": 7}  # 24 = 7 + 7 + 7 + 3
    runner = build(tmp_path, {**options, "default_hooks.checkpoint.save_best": "loss"})
    runner.train()
    losses = [r["loss"] for r in scalars(runner) if "toy/accuracy" in r]
    assert len(losses) == 3
    runner.model.eval()
    dataset = toy_training.ToyDataset(24)
    everybody = torch.utils.data.default_collate([dataset[i] for i in range(24)])
    with torch.no_grad():
        expected = runner.model(*everybody, mode="loss")["loss"]
    assert losses[-1] == pytest.approx(float(expected), rel=1e-6)
    best = read_checkpoint(tmp_path / "work" / "best_loss.pth")["meta"]["best"]
    assert best["score"] == min(losses)


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

    def broken(*args):
        raise RuntimeError("no fonts")

    monkeypatch.setattr(posekit.visualization, "plot_curves", broken)
    runner = build(tmp_path, {"default_hooks.curves": {}})
    runner.train()
    assert (
        "curves.png was not drawn: RuntimeError: no fonts"
        in next(runner_log(runner).glob("*.log")).read_text()
    )


def test_default_hooks_can_be_dropped(tmp_path):
    runner = build(tmp_path)  # its config says curves=None
    assert "CurvesHook" not in [type(hook).__name__ for hook in runner.hooks]
    assert "CheckpointHook" in [type(hook).__name__ for hook in runner.hooks]


def test_the_sampler_is_told_the_epoch(tmp_path):
    sampler = {"type": "posekit.datasets.sampler.EpochSampler", "shuffle": True}
    runner = build(tmp_path, {"train_dataloader.sampler": sampler, "randomness.seed": 7})
    runner.train()
    keys = runner.train_dataloader.dataset.keys
    assert [k.epoch for k in keys] == [0] * 24 + [1] * 24 + [2] * 24
    assert {k.seed for k in keys} == {7}
    assert sorted(k.index for k in keys[:24]) == list(range(24))
    assert [k.index for k in keys[:24]] != [k.index for k in keys[24:48]]


def test_from_plain_dicts(tmp_path):
    cfg = load_config(write_config(tmp_path)).to_dict()
    cfg["work_dir"] = str(tmp_path / "w")
    runner = PoseRunner.from_cfg(cfg)
    assert isinstance(runner.model, toy_training.ToyModel)
    with pytest.raises(ConfigError, match="modle"):
        PoseRunner.from_cfg({**cfg, "modle": {}})


def test_nothing_formats_the_config(tmp_path, monkeypatch):
    import mmengine.config.config as module

    monkeypatch.setattr(module, "FormatCode", lambda *a, **k: pytest.fail("yapf was called"))
    build(tmp_path, {"train_cfg.max_epochs": 1}).train()


@pytest.mark.parametrize("dtype", [None, "bfloat16"])
def test_mixed_precision_on_a_cpu(tmp_path, dtype):
    options = {"optim_wrapper.type": "MixedPrecisionOptimWrapper"}
    if dtype:
        options["optim_wrapper.dtype"] = dtype
    from posekit.engine.optim import MixedPrecisionOptimWrapper

    options["optim_wrapper.type"] = f"{MixedPrecisionOptimWrapper.__module__}.MixedPrecisionOptimWrapper"
    runner = build(tmp_path, options)
    seen = []
    runner.model.layers[1].register_forward_hook(lambda m, i, out: seen.append(out.dtype))
    runner.train()
    assert torch.bfloat16 in seen
    assert all(p.dtype == torch.float32 for p in runner.model.parameters())
    rest = build(tmp_path, {**options, "train_cfg.max_epochs": 4}, resume=True)
    rest.train()
    assert rest.epoch == 4


def test_an_impossible_precision(tmp_path):
    options = {
        "optim_wrapper.type": "posekit.engine.optim.MixedPrecisionOptimWrapper",
        "optim_wrapper.dtype": "float8",
    }
    with pytest.raises(ConfigError, match=r"expected one of.*'float8'"):
        build(tmp_path, options).train()
