"""The mean of several checkpoints' weights."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import save_file

from posekit.engine.checkpoints.files import write_checkpoint
from posekit.engine.checkpoints.mean import write_mean
from posekit.errors import CheckpointError, ConfigError
from posekit.io.checkpoint import read_checkpoint


def weights(value, count=3):
    return {"a.weight": torch.full((2, 3), float(value)), "a.num_batches_tracked": torch.tensor(count)}


def test_real_numbers_are_averaged_and_others_are_the_last(tmp_path):
    write_checkpoint({"state_dict": weights(1), "meta": {"epoch": 3}}, tmp_path / "a.pth")
    half = {name: one.half() if one.is_floating_point() else one for name, one in weights(4, 9).items()}
    save_file(half, tmp_path / "b.safetensors")
    write_mean([tmp_path / "a.pth", tmp_path / "b.safetensors"], tmp_path / "mean.pth")
    found = read_checkpoint(tmp_path / "mean.pth")
    assert found["state_dict"]["a.weight"].tolist() == [[2.5] * 3] * 2
    assert found["state_dict"]["a.weight"].dtype == torch.float32
    assert int(found["state_dict"]["a.num_batches_tracked"]) == 9
    assert found["meta"] == {"mean_of": ["a.pth", "b.safetensors"]}
    write_mean([tmp_path / "mean.pth"] + [tmp_path / "a.pth"] * 2, tmp_path / "of_three.pth")
    assert float(read_checkpoint(tmp_path / "of_three.pth")["state_dict"]["a.weight"][0, 0]) == 1.5


def test_other_networks_and_files_in_the_way_are_refused(tmp_path):
    write_checkpoint({"state_dict": weights(1)}, tmp_path / "a.pth")
    write_checkpoint({"state_dict": {**weights(1), "b": torch.zeros(1)}}, tmp_path / "b.pth")
    with pytest.raises(CheckpointError, match=r"b\.pth: is of another network than .*a\.pth"):
        write_mean([tmp_path / "a.pth", tmp_path / "b.pth"], tmp_path / "mean.pth")
    assert not (tmp_path / "mean.pth").exists()
    with pytest.raises(ConfigError, match="expected a list of two files or more, found 1"):
        write_mean([tmp_path / "a.pth"], tmp_path / "mean.pth")
    with pytest.raises(ConfigError, match=r"expected a list of two files or more, found the path .*a\.pth"):
        write_mean(tmp_path / "a.pth", tmp_path / "mean.pth")
    with pytest.raises(ConfigError, match=r"mean\.safetensors: expected the suffix '\.pth'"):
        write_mean([tmp_path / "a.pth"] * 2, tmp_path / "mean.safetensors")
    with pytest.raises(ConfigError, match="exists; state a new file"):
        write_mean([tmp_path / "a.pth"] * 2, tmp_path / "b.pth")
