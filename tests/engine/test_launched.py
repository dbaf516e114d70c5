"""What a job of several processes is told by its launcher, and says at its start."""

from __future__ import annotations

import json
import os

import pytest
from toy_processes import CONFIG, train_in
from toy_training import build, run, write_config

from posekit.engine.processes import launched
from posekit.errors import ConfigError
from posekit.io.checkpoint import read_checkpoint


def test_the_learning_rate_is_scaled_if_asked(tmp_path, capsys):
    config = write_config(tmp_path, CONFIG + "auto_scale_lr = dict(base_batch_size=4)\n")
    words = ["--cfg-options", "train_cfg.max_epochs=1", "optim_wrapper.accumulative_counts=3"]
    assert run("train", config, "--work-dir", tmp_path / "a", *words) == 0
    line = "effective batch 24 = 8 per process x 1 processes x 3 accumulated; learning rate 0.01"
    assert f"{line}, not scaled; made for batch 4 (--auto-scale-lr)" in capsys.readouterr().out
    assert run("train", config, "--work-dir", tmp_path / "b", "--auto-scale-lr", *words) == 0
    assert f"{line} x 24/4 = 0.06" in capsys.readouterr().out
    group = read_checkpoint(tmp_path / "b" / "epoch_1.pth")["optimizer"]["param_groups"][0]
    assert group["initial_lr"] == pytest.approx(0.06)


def test_rates_that_schedulers_state_are_scaled_too(tmp_path):
    from mmengine.optim import CosineAnnealingLR, CosineAnnealingMomentum, OneCycleLR

    schedulers = [
        {"type": OneCycleLR, "eta_max": 0.02, "total_steps": 9},
        {"type": CosineAnnealingLR, "eta_min": 0.004, "begin": 9},
        {"type": CosineAnnealingMomentum, "eta_min": 0.5},
    ]
    runner = build(tmp_path, {"auto_scale_lr": {"base_batch_size": 4, "enable": True}})
    runner.param_schedulers = schedulers
    runner.scale_lr(runner.build_optim_wrapper(runner.optim_wrapper), runner.cfg.auto_scale_lr)
    assert [s.get("eta_max", s.get("eta_min")) for s in runner.param_schedulers] == [0.04, 0.008, 0.5]
    assert schedulers[0]["eta_max"] == 0.02
    runner.close()


def test_samples_used_twice_are_stated(tmp_path):
    config = write_config(tmp_path, CONFIG)
    words = ["--cfg-options", "train_dataloader.dataset.size=25", "train_cfg.max_epochs=1"]
    line = "1 accumulated; 1 sample(s) of each epoch used twice, for equal shares; learning rate 0.01"
    assert line in train_in(2, config, tmp_path / "a", *words).printed(0)
    processes = train_in(2, config, tmp_path / "b", *words, "train_dataloader.drop_last=True")
    assert "used twice" not in processes.printed()


def test_a_learning_rate_that_cannot_be_scaled(tmp_path, capsys):
    config = write_config(tmp_path, CONFIG)
    assert run("train", config, "--work-dir", tmp_path / "w", "--auto-scale-lr") == 2
    assert "auto_scale_lr.base_batch_size: expected the batch" in capsys.readouterr().err
    assert not (tmp_path / "w").exists()


ELASTIC = {"TORCHELASTIC_MAX_RESTARTS": "2", "TORCHELASTIC_RUN_ID": "r"}
SLURM = {"SLURM_PROCID": "0", "SLURM_JOB_ID": "7"}


@pytest.mark.parametrize(
    ("environ", "record", "begun"),
    [
        ({}, {}, False),
        # Counted by the launcher, but the record is an earlier run's: this one died before it left its own.
        ({"TORCHELASTIC_RESTART_COUNT": "1", **ELASTIC}, {"job": None}, False),
        ({"SLURM_RESTART_COUNT": "2", **SLURM}, {"job": "slurm 6"}, False),
        ({"SLURM_RESTART_COUNT": "2", **SLURM}, {"job": "slurm 7"}, True),
        (SLURM, {"job": "slurm 7"}, False),  # a second training of one interactive job
        (ELASTIC, {"job": "torchrun r"}, True),
        (ELASTIC, {"job": "torchrun s"}, False),
        ({"TORCHELASTIC_MAX_RESTARTS": "0", "TORCHELASTIC_RUN_ID": "r"}, {"job": "torchrun r"}, False),
        (ELASTIC, None, False),
    ],
)
def test_a_job_knows_that_it_has_begun_before(tmp_path, monkeypatch, environ, record, begun):
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    if record is not None:
        (tmp_path / "run.json").write_text(json.dumps(record))
    assert launched.restarted(tmp_path) is begun


def begin_as(job, work, **more):
    """Makes the work directory one in which this job has begun."""
    record = json.loads((work / "run.json").read_text())
    (work / "run.json").write_text(json.dumps({**record, "job": job, **more}))


def test_a_restarted_job_resumes_without_being_told(tmp_path, monkeypatch, capsys):
    config, work = write_config(tmp_path, CONFIG), tmp_path / "w"
    words = [config, "--work-dir", work]
    assert run("train", *words, "--cfg-options", "train_cfg.max_epochs=1") == 0
    first = work / "epoch_1.pth"
    begin_as("slurm 7", work)
    for name, value in {**SLURM, "SLURM_RESTART_COUNT": "1"}.items():
        monkeypatch.setenv(name, value)
    assert run("train", *words, "--cfg-options", "train_cfg.max_epochs=2") == 0
    assert f"resumed from {first}" in capsys.readouterr().out
    # Also if it began elsewhere: what it has done since is not thrown away.
    assert run("train", *words, "--resume", first, "--cfg-options", "train_cfg.max_epochs=3") == 0
    assert f"resumed from {work / 'epoch_2.pth'}" in capsys.readouterr().out
    # With nothing there yet, the weights that the config begins with are not forgotten.
    weights = work / "epoch_3.pth"
    assert (
        run("train", *words[:2], tmp_path / "new", "--resume", "--cfg-options", f"load_from={weights}") == 0
    )
    assert f"weights loaded from {weights}" in capsys.readouterr().out


def test_a_restart_does_not_continue_an_earlier_run(tmp_path, monkeypatch, capsys):
    """The job's first start failed before it began; the checkpoints are those of another."""
    config, work = write_config(tmp_path, CONFIG), tmp_path / "w"
    assert run("train", config, "--work-dir", work, "--cfg-options", "train_cfg.max_epochs=1") == 0
    for name, value in {**SLURM, "SLURM_RESTART_COUNT": "1"}.items():
        monkeypatch.setenv(name, value)
    assert run("train", config, "--work-dir", work, "--cfg-options", "train_cfg.max_epochs=2") == 0
    assert "resumed from" not in capsys.readouterr().out
    assert (work / "earlier_1" / "epoch_1.pth").is_file()
    assert json.loads((work / "run.json").read_text())["job"] == "slurm 7"


def test_a_forgotten_launcher(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "r")
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert run("train", write_config(tmp_path), "--work-dir", tmp_path / "w") == 2
    assert "started by torchrun as 2 processes: add --launcher pytorch" in capsys.readouterr().err


def test_a_launcher_that_did_not_launch(tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("RANK", raising=False)
    assert run("train", write_config(tmp_path), "--work-dir", tmp_path / "w", "--launcher", "pytorch") == 2
    assert "expected RANK, WORLD_SIZE" in capsys.readouterr().err
    assert run("test", write_config(tmp_path), "x", "--launcher", "slurm") == 2
    assert "no SLURM_PROCID" in capsys.readouterr().err


def test_slurm_is_understood(monkeypatch, tmp_path):
    step = {"SLURM_PROCID": "5", "SLURM_NTASKS": "8", "SLURM_LOCALID": "1", "SLURM_JOB_ID": "70123"}
    assert launched.slurm_environment(step) == {
        "RANK": "5", "WORLD_SIZE": "8", "LOCAL_RANK": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "30123",
    }  # fmt: skip
    # Another step of the job, at the same time.
    assert launched.slurm_environment({**step, "SLURM_STEP_ID": "1"})["MASTER_PORT"] == "31120"
    several = {**step, "SLURM_NNODES": "2", "SLURM_JOB_NODELIST": "gpu[07-08]"}
    (tmp_path / "scontrol").write_text('#!/bin/sh\n[ "$3" = "gpu[07-08]" ] && printf "gpu07\\ngpu08\\n"\n')
    (tmp_path / "scontrol").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert launched.slurm_environment(several)["MASTER_ADDR"] == "gpu07"
    assert (
        launched.slurm_environment({**several, "MASTER_ADDR": "x", "MASTER_PORT": "1"})["MASTER_PORT"] == "1"
    )
    with pytest.raises(ConfigError, match="set MASTER_ADDR"):
        launched.slurm_environment({**several, "SLURM_JOB_NODELIST": "other"})
