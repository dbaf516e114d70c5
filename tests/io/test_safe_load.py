"""Files of other programs: what stands beside the weights is read, nothing of theirs is run or imported."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import os
import pickle
import re
import struct
import sys
import tarfile
import zipfile
from collections import OrderedDict, defaultdict
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config, ConfigDict
from mmengine.logging import HistoryBuffer

from posekit.errors import CheckpointError
from posekit.io.checkpoint import read_checkpoint
from posekit.io.safe_load import NotRead, load_file

FORMS = pytest.mark.parametrize("zipped", [True, False])


def save(content, path, zipped=False):
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    return path


@FORMS
def test_numpy_numbers_become_pythons(tmp_path, zipped):
    numbers = {
        "best_acc": np.float64(0.8676),
        "half": np.float16(0.5),
        "count": np.int64(-3),
        "yes": np.bool_(True),
        "complex": np.complex64(1 - 2j),
        "big-endian": np.array([1.5], ">f8")[0],
    }
    found = read_checkpoint(save(numbers, tmp_path / "n.pth", zipped))
    assert found == {**numbers, "best_acc": 0.8676}
    assert {type(value) for value in found.values()} == {float, int, bool, complex}


def write_legacy(path, content):
    """Torch's form before 1.6 around a pickle."""
    head = (torch.serialization.MAGIC_NUMBER, torch.serialization.PROTOCOL_VERSION, {})
    parts = [*(pickle.dumps(part, protocol=2) for part in head), content, pickle.dumps([], protocol=2)]
    path.write_bytes(b"".join(parts))


@pytest.mark.parametrize("module", [b"numpy.core.multiarray", b"numpy._core.multiarray"])
def test_both_homes_of_numpys_numbers(tmp_path, module):
    path = save({"best_acc": np.float64(0.5), "sigmas": np.ones(3)}, tmp_path / "n.pth")
    content = path.read_bytes()
    for other in (b"numpy.core.multiarray", b"numpy._core.multiarray"):
        content = content.replace(other, module)
    assert content.count(module) == 2
    path.write_bytes(content)
    assert read_checkpoint(path)["best_acc"] == 0.5


def test_a_number_written_by_python_2(tmp_path):
    number = struct.pack("<d", -0.8125)  # bytes that are no UTF-8
    scalar = (
        b"\x80\x02}U\x08best_acccnumpy.core.multiarray\nscalar\ncnumpy\ndtype\nU\x02f8K\x00K\x01\x87R"
        b"(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tbU\x08" + number + b"\x86Rs."
    )
    write_legacy(tmp_path / "py2.pth.tar", scalar)
    assert read_checkpoint(tmp_path / "py2.pth.tar") == {"best_acc": -0.8125}


@FORMS
def test_objects_of_mmengine_are_not_made(tmp_path, zipped, monkeypatch):
    content = {
        "state_dict": {"a": torch.arange(3.0)},
        "message_hub": {"log_scalars": OrderedDict(loss=HistoryBuffer([0.5], [1]))},
        "meta": {
            "cfg": Config({"a": 1}),
            "dataset_meta": ConfigDict(sigmas=np.ones(3)),
            "path": Path("x"),
            "kinds": defaultdict(list, a=[1]),
            "name": np.str_("x"),
            "texts": np.array(["a"]),
        },
    }
    path = save(content, tmp_path / "mm.pth", zipped)
    for name in ("mmengine", "mmengine.logging.history_buffer", "mmengine.config.config"):
        monkeypatch.setitem(sys.modules, name, None)  # importing them would fail
    found = read_checkpoint(path)
    assert torch.equal(found["state_dict"]["a"], torch.arange(3.0))
    assert isinstance(found["message_hub"]["log_scalars"]["loss"], NotRead)
    assert all(isinstance(found["meta"][key], NotRead) for key in ("cfg", "path", "name", "texts"))
    assert found["meta"]["kinds"] == {"a": [1]}


class Call:
    """A pickle that calls something when it is loaded by ordinary means."""

    def __init__(self, function, *args):
        self.function, self.args = function, args

    def __reduce__(self):
        return self.function, self.args


def touch(path):
    """What a program might have allowed for its own files."""
    Path(path).touch()
    return 1


@FORMS
def test_stand_ins_lead_nowhere(tmp_path, zipped):
    """The names that are allowed give no way to a name that is not."""
    touched = tmp_path / "ran"
    attempts = {
        "getattr": Call(getattr, Path(touched), "touch"),
        "through getattr": Call(getattr, Call(getattr, HistoryBuffer, "mean"), "__globals__"),
        "in an object number": Call(
            np.float64(1).__reduce__()[0], np.dtype("O"), pickle.dumps(Call(touch, touched))
        ),
        "list": Call(list, (1, 2)),
    }
    for name, attempt in attempts.items():
        found = read_checkpoint(save({"a": attempt}, tmp_path / "a.pth", zipped))["a"]
        assert isinstance(found, NotRead), name
    assert not touched.exists()


def test_the_result_of_a_stand_in_cannot_be_called(tmp_path):
    write_legacy(
        tmp_path / "a.pth", b"\x80\x02c__builtin__\ngetattr\nX\x01\x00\x00\x00aX\x01\x00\x00\x00b\x86R)R."
    )
    with pytest.raises(
        CheckpointError,
        match=r"refused, because loading it could run code \(.*call reduce.*getattr, not read",
    ):
        read_checkpoint(tmp_path / "a.pth")


@FORMS
def test_what_a_program_allowed_for_itself_is_not_allowed_here(tmp_path, zipped):
    path = save({"a": Call(touch, str(tmp_path / "ran"))}, tmp_path / "a.pth", zipped)
    before = list(torch.serialization.get_safe_globals())
    torch.serialization.add_safe_globals([touch])
    try:
        allowed = list(torch.serialization.get_safe_globals())
        with pytest.raises(CheckpointError, match=r"refused.*touch.*nothing in it was executed"):
            read_checkpoint(path)
        assert set(torch.serialization.get_safe_globals()) == set(allowed)
    finally:
        torch.serialization.clear_safe_globals()
        torch.serialization.add_safe_globals(list(before))
    assert not (tmp_path / "ran").exists()
    assert set(torch.serialization.get_safe_globals()) == set(before)


def tar_of_torch_0_1(path, payload):
    """The layout of torch 0.1: a tar of three pickles."""
    with tarfile.open(path, "w:", format=tarfile.PAX_FORMAT) as archive:
        for name in ("storages", "tensors", "pickle"):
            content = pickle.dumps(payload, protocol=2)
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))


def test_a_tar_is_refused_before_torch_sees_it(tmp_path, monkeypatch):
    tar_of_torch_0_1(tmp_path / "old.pth.tar", Call(os.system, f"touch '{tmp_path / 'ran'}'"))
    monkeypatch.setattr(torch, "load", lambda *args, **kwargs: pytest.fail("torch must not see it"))
    message = r"(?s)old\.pth\.tar: is a tar archive.*torch 0\.1.*If you trust it, write it anew.*torch\.save"
    with pytest.raises(CheckpointError, match=message):
        read_checkpoint(tmp_path / "old.pth.tar")
    assert not (tmp_path / "ran").exists()


def _archive(path, *names):
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, b"x")


@pytest.mark.parametrize(
    ("write", "kind"),
    [
        (lambda path: path.write_text("<!DOCTYPE html><title>404</title>"), "a web page"),
        (lambda path: path.write_text("\n  <html>"), "a web page"),
        (lambda path: path.write_text("version https://git-lfs.github.com/spec/v1\n"), "a Git LFS pointer"),
        (lambda path: path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(99)), "an HDF5 file"),
        (lambda path: path.write_bytes(gzip.compress(b"x")), "a gzip archive"),
        (lambda path: np.save(path.open("wb"), np.ones(3)), "a numpy array"),
        (lambda path: path.write_text("epoch 3: é" * 99), "a text that begins with 'epoch 3: é"),
        (lambda path: path.write_bytes(b"\xff\xd8\xff\xe0JFIF"), "a JPEG picture"),
        (lambda path: path.write_bytes(pickle.dumps({"a": 1})), r"a pickle that torch\.save did not write"),
        (
            lambda path: path.write_bytes(b"\x17\xfe\x00\x99"),
            r"of an unknown kind \(.* bytes are 17 fe",
        ),
        (lambda path: path.mkdir(), "a folder"),
        (lambda path: _archive(path, "images/1.jpg"), r"a zip archive of \['1.jpg'\]"),
        (lambda path: _archive(path, "m/data.pkl", "m/constants.pkl"), "a TorchScript program"),
    ],
)
def test_other_files_are_named(tmp_path, write, kind):
    write(tmp_path / "other.pth")
    with pytest.raises(
        CheckpointError, match=rf"other\.pth: is {kind}.*; expected weights written by torch\.save"
    ):
        read_checkpoint(tmp_path / "other.pth")


def test_safetensors(tmp_path):
    from safetensors.torch import save_file

    for name in ("a.safetensors", "under_another_ending.pth"):
        save_file({"a": torch.arange(3.0)}, tmp_path / name)
        assert torch.equal(read_checkpoint(tmp_path / name)["a"], torch.arange(3.0))
    (tmp_path / "b.safetensors").write_bytes(b"junk" * 9)
    with pytest.raises(CheckpointError, match=r"b\.safetensors: damaged or not a safetensors file"):
        read_checkpoint(tmp_path / "b.safetensors")


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's account of memory")
def test_safetensors_are_mapped_and_not_read_into_memory(tmp_path):
    """A file of half a GiB, most of which is a hole, costs no memory until its numbers are looked at."""
    length = 2**29
    header = json.dumps({"w": {"dtype": "F32", "shape": [length // 4], "data_offsets": [0, length]}}).encode()
    with (tmp_path / "large.safetensors").open("wb") as file:
        file.write(len(header).to_bytes(8, "little") + header)
        file.truncate(8 + len(header) + length)
    before = _own_memory()
    weights = load_file(tmp_path / "large.safetensors")["w"]
    assert weights.numel() == length // 4
    assert _own_memory() - before < length / 8
    assert weights[-1].item() == 0


def _own_memory():
    """Bytes of this process that no file backs."""
    status = Path("/proc/self/status").read_text("ascii")
    return 1024 * int(re.search(r"^RssAnon:\s+(\d+) kB", status, re.MULTILINE)[1])


def test_a_compressed_tar_is_not_unpacked_to_be_known(tmp_path, monkeypatch):
    """A few hundred bytes may state hundreds of megabytes."""
    header = tarfile.TarInfo("x")
    header.type, header.size = tarfile.GNUTYPE_LONGNAME, 300 << 20
    path = tmp_path / "bomb.pth"
    with bz2.open(path, "wb") as file:
        file.write(header.tobuf(tarfile.GNU_FORMAT) + bytes(1 << 20))
    monkeypatch.setattr(bz2, "BZ2File", None)
    with pytest.raises(CheckpointError, match="checkpoint"):
        read_checkpoint(path)
