"""Every door that a checkpoint can come in by refuses one that would run code, and runs none of it."""

from __future__ import annotations

import hashlib
import io
import os
import pickle
import re
import runpy
import sys
import tarfile
from pathlib import Path

import pytest
import reference
import torch
from fuzz import samples

from posekit.detection.finder_files import read_finder
from posekit.detection.networks import INPUT_SIZE, read_detector
from posekit.engine.checkpoints.resume import find_checkpoint
from posekit.errors import CheckpointError
from posekit.inference import Predictor
from posekit.io.checkpoint import read_checkpoint
from posekit.io.downloads import WeightFile, obtain
from posekit.models.released import load_into


class Call:
    def __init__(self, command):
        self.command = command

    def __reduce__(self):
        return os.system, (self.command,)


def hostile(folder: Path, zipped: bool, place: str) -> Path:
    """A checkpoint that touches ``folder / ran`` when an ordinary unpickler loads it."""
    content = samples.checkpoint_values()
    call = Call(f"touch {folder / 'ran'}")
    if place == "meta":
        content["meta"]["deep"] = [{"er": (1, call)}]
    elif place == "weights":
        content["state_dict"]["a.weight"] = call
    else:
        content = call
    path = folder / "a.pth"
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    return path


def tool(name, *words):
    """A tool as its command line starts it, in this process; its exit status."""

    def run(path: Path) -> None:
        before = sys.argv
        sys.argv = [name, *(word.format(path=path, folder=path.parent) for word in words)]
        try:
            with pytest.raises(SystemExit) as end:
                runpy.run_path(str(reference.ROOT / "tools" / f"{name}.py"), run_name="__main__")
        finally:
            sys.argv = before
        raise CheckpointError(f"{path}: refused by {name} with status {end.value.code}")

    return run


def resume_newest(path: Path) -> None:
    (path.parent / "epoch_1.pth").write_bytes(path.read_bytes())
    (path.parent / "last_checkpoint").write_text("epoch_1.pth")
    find_checkpoint(path.parent)


def fetched(path: Path) -> None:
    """As the zoo takes a file: its checksum fits, and still nothing in it runs."""
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    load_into(torch.nn.Linear(1, 1), obtain(WeightFile(path.name, "page", None, digest), path.parent))


PICTURE = str(reference.ROOT / "nothing.jpg")
CONFIG = str(reference.ROOT / "configs" / "checks" / "overfit_coco_hourglass_s2.py")
DOORS = {
    "read_checkpoint": read_checkpoint,
    "load_into": lambda path: load_into(torch.nn.Linear(1, 1), path),
    "--resume": resume_newest,
    "--resume PATH": lambda path: find_checkpoint(path.parent, path),
    "detector": read_detector,
    "finder": read_finder,
    "zoo": fetched,
    "Predictor": lambda path: Predictor(CONFIG, path, device="cpu"),
    "Predictor's detector": lambda path: Predictor(detector=path, device="cpu"),
    "convert_checkpoint": tool("convert_checkpoint", "{path}", "{folder}/out.pth"),
    "demo.py": tool("demo", "{folder}/photo.png", "--detector", "{path}", "--out", "{folder}/out"),
}


@pytest.mark.parametrize("place", ["all", "meta", "weights"])
@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
@pytest.mark.parametrize("door", DOORS)
def test_no_door_lets_code_in(tmp_path, door, zipped, place, capsys):
    (tmp_path / "photo.png").write_bytes(samples.picture(".png"))
    path = hostile(tmp_path, zipped, place)
    with pytest.raises(CheckpointError) as error:
        DOORS[door](path)
    told = f"{error.value}{capsys.readouterr().err}"
    assert "refused, because loading it could run code: it refers to 'posix.system'" in told
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("door", DOORS)
def test_a_tar_is_no_way_around(tmp_path, door, capsys):
    """torch before 2.6 hands tars to the ordinary unpickler."""
    (tmp_path / "photo.png").write_bytes(samples.picture(".png"))
    call = pickle.dumps(Call(f"touch {tmp_path / 'ran'}"), 2)
    with tarfile.open(tmp_path / "a.pth", "w") as archive:
        for name in ("sys_info", "pickle", "storages", "tensors"):
            member = tarfile.TarInfo(name)
            member.size = len(call)
            archive.addfile(member, io.BytesIO(call))
    with pytest.raises(CheckpointError) as error:
        DOORS[door](tmp_path / "a.pth")
    assert "is a tar archive" in f"{error.value}{capsys.readouterr().err}"
    assert not (tmp_path / "ran").exists()


def test_there_is_one_way_in():
    """Nothing else in the package or the tools loads a pickle, with torch, numpy or Python itself."""
    found = []
    for folder in ("posekit", "tools"):
        for path in sorted((reference.ROOT / folder).rglob("*.py")):
            text = re.sub(r'""".*?"""', "", path.read_text("utf-8"), flags=re.S)
            for line in text.splitlines():
                if re.search(
                    r"torch\.load\(|pickle\.loads?\(|Unpickler\(|allow_pickle=True|load_url\(", line
                ):
                    found.append((path.relative_to(reference.ROOT).as_posix(), "weights_only=True" in line))
    assert found == [("posekit/engine/checkpoints/state.py", True), ("posekit/io/safe_load.py", True)]


@pytest.mark.parametrize(
    "size",
    [torch.tensor([1.5, 2]), torch.tensor([10**9, 10**9]), torch.tensor([0, 5]), torch.tensor(1)],
    ids=["real", "giant", "zero", "scalar"],
)
def test_a_detector_of_an_impossible_input_size(tmp_path, size):
    torch.save({"state_dict": {"a": torch.ones(1), INPUT_SIZE: size}}, tmp_path / "a.pth")
    with pytest.raises(CheckpointError, match=rf"a\.pth: '{INPUT_SIZE}': expected two or three whole"):
        read_detector(tmp_path / "a.pth")
