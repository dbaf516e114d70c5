"""``tools/train.py --resume``: what it goes on from in which folder, and with what it was changed to."""

from __future__ import annotations

import json

import pytest
import torch
from toy_training import CONFIG, run, write_config

from posekit.io.checkpoint import read_checkpoint

WEIGHT = "layers.1.weight"


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """Two epochs, and the four that they are a part of."""
    folder = tmp_path_factory.mktemp("resume")
    config = write_config(folder)
    for name, epochs in (("two", 2), ("four", 4)):
        words = ["--work-dir", folder / name, "--cfg-options", f"train_cfg.max_epochs={epochs}"]
        assert run("train", config, *words) == 0
    return folder, config


def weight_of(path):
    return read_checkpoint(path)["state_dict"][WEIGHT]


def still(folder, start):
    """A config that starts from some weights, and leaves them as they are."""
    return write_config(folder, f"{CONFIG}\nload_from = {str(start)!r}\n".replace("lr=0.01", "lr=0.0"))


def test_in_an_empty_folder_it_begins_from_the_configs_weights(done, tmp_path, capsys):
    start = done[0] / "two" / "best_toy_accuracy.pth"
    assert run("train", still(tmp_path, start), "--resume", "--work-dir", tmp_path / "new") == 0
    assert f"weights loaded from {start}" in capsys.readouterr().out
    assert torch.equal(weight_of(tmp_path / "new" / "epoch_3.pth"), weight_of(start))


def test_its_own_checkpoint_goes_before_the_configs_weights(done, tmp_path, capsys):
    start = done[0] / "two" / "best_toy_accuracy.pth"
    config = write_config(tmp_path, f"{CONFIG}\nload_from = {str(start)!r}\n")
    words = ["--resume", "--work-dir", tmp_path / "w", "--cfg-options"]
    assert run("train", config, *words, "train_cfg.max_epochs=1") == 0
    first = weight_of(tmp_path / "w" / "epoch_1.pth")
    assert run("train", config, *words, "train_cfg.max_epochs=2") == 0
    said = capsys.readouterr().out
    assert f"resumed from {tmp_path / 'w' / 'epoch_1.pth'}: epoch 1" in said
    assert said.count(f"weights loaded from {start}") == 1
    assert not torch.equal(weight_of(tmp_path / "w" / "epoch_2.pth"), first)


def test_in_an_empty_folder_without_any_it_begins_at_the_beginning(done, tmp_path, capsys):
    words = ["--resume", "--work-dir", tmp_path / "new", "--cfg-options", "train_cfg.max_epochs=2"]
    assert run("train", done[1], *words) == 0
    assert "no checkpoint in" in capsys.readouterr().out
    assert torch.equal(
        weight_of(tmp_path / "new" / "epoch_2.pth"), weight_of(done[0] / "two" / "epoch_2.pth")
    )


def test_in_another_folder_it_goes_on_from_a_path(done, tmp_path):
    source = done[0] / "two"
    before = {path: path.read_bytes() for path in source.rglob("*") if path.is_file()}
    words = ["--resume", source / "epoch_2.pth", "--work-dir", tmp_path / "other"]
    assert run("train", done[1], *words, "--cfg-options", "train_cfg.max_epochs=4") == 0
    assert {path: path.read_bytes() for path in source.rglob("*") if path.is_file()} == before
    for name in ("epoch_3.pth", "epoch_4.pth"):
        assert torch.equal(weight_of(tmp_path / "other" / name), weight_of(done[0] / "four" / name))
    assert (tmp_path / "other" / "last_checkpoint").read_text() == "epoch_4.pth"
    # Later it needs the first folder no more.
    words = ["--resume", "--work-dir", tmp_path / "other", "--cfg-options", "train_cfg.max_epochs=5"]
    assert run("train", done[1], *words) == 0


def test_fewer_epochs_than_are_done_are_nothing_to_train(done, tmp_path, capsys):
    words = ["--resume", done[0] / "two" / "epoch_2.pth", "--work-dir", tmp_path / "less"]
    assert run("train", done[1], *words, "--cfg-options", "train_cfg.max_epochs=1") == 0
    assert "nothing to train: 2 of 1 epochs are done" in capsys.readouterr().out
    assert not list((tmp_path / "less").glob("*.pth"))


def test_a_changed_config_is_told_and_recorded(done, tmp_path, capsys):
    words = ["--resume", done[0] / "two" / "epoch_2.pth", "--work-dir", tmp_path / "w", "--cfg-options"]
    assert run("train", done[1], *words, "train_dataloader.batch_size=12", "model.dropout=0.5") == 0
    said = capsys.readouterr().out
    assert "has 6 iterations in 2 epochs, this run 2 in each" in said
    assert json.loads((tmp_path / "w" / "run.json").read_text())["batch_size"] == 12
    assert "dropout=0.5" in (tmp_path / "w" / "toy.py").read_text()


def test_a_path_that_is_a_folder_or_damaged_is_named(done, tmp_path, capsys):
    (tmp_path / "cut.pth").write_bytes((done[0] / "two" / "epoch_2.pth").read_bytes()[:900])
    for path, message in ((done[0] / "two", "is a folder"), (tmp_path / "cut.pth", "cut.pth: damaged")):
        assert run("train", done[1], "--resume", path, "--work-dir", tmp_path / "w") == 2
        assert message in capsys.readouterr().err
    assert not (tmp_path / "w").exists()


def test_the_help_names_the_settings(capsys):
    assert run("train", "--help") == 0
    text = capsys.readouterr().out
    settings = [
        *("accumulative_counts", "clip_grad", "dtype", "default_hooks.ema", "compile", "channels_last"),
        *("on_divergence", "explosion", "interval_iters", "every_minutes", "max_keep_ckpts", "save_best"),
        *("SIGTERM", "SIGUSR1"),
    ]
    assert [name for name in settings if name not in text] == []
