"""Checkpoints and cards made to run code, or to fill the memory: refused, nothing run."""

from __future__ import annotations

import io
import json
import os
import pickle
import resource
import struct
import sys
import zipfile

import pytest
import torch
from fuzz import samples

from posekit.errors import CheckpointError
from posekit.inference.bundle import read_bundle
from posekit.io.checkpoint import read_checkpoint


@pytest.fixture(autouse=True)
def little_memory():
    """No test of this file may need more than 300 MB more than there was."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000


class Call:
    def __init__(self, function, *args):
        self.function, self.args = function, args

    def __reduce__(self):
        return self.function, self.args


def text(value):
    return b"X" + struct.pack("<I", len(value)) + value.encode()


def pickles(mark):
    """Pickles that would make the file ``mark``, or too much, if something loaded them."""
    command = f"touch {mark}"
    return {
        "GLOBAL and REDUCE": b"\x80\x02cos\nsystem\n" + text(command) + b"\x85R.",
        "builtins": b"\x80\x02c__builtin__\neval\n" + text("1") + b"\x85R.",
        "STACK_GLOBAL": b"\x80\x04" + text("os") + text("system") + b"\x93" + text(command) + b"\x85R.",
        "INST": b"(" + text(command) + b"ios\nsystem\n.",
        "OBJ": b"(cos\nsystem\n" + text(command) + b"o.",
        "NEWOBJ": b"\x80\x02csubprocess\nPopen\n" + text(command) + b"\x85\x81.",
        "NEWOBJ_EX": b"\x80\x04csubprocess\nPopen\n" + text(command) + b"\x85}\x92.",
        "BUILD": b"\x80\x02ccollections\nOrderedDict\n)R" + b"}" + text("__class__") + b"cos\nsystem\nsb.",
        "EXT1": b"\x80\x02\x82\x01.",
        "behind a persistent id": b"\x80\x02(" + text("storage") + b"cos\nsystem\n" + text("0") + b"tQ.",
        "in a dict": b"\x80\x02}" + text("state_dict") + b"cposix\nsystem\n" + text(command) + b"\x85Rs.",
        "after a stop": b"\x80\x02}.cos\nsystem\n" + text(command) + b"\x85R.",
        "bytearray": b"\x80\x02c__builtin__\nbytearray\n\x8a\x05\x00\x00\x00\x00\x10\x85R.",
        "Tensor": b"\x80\x02ctorch\nTensor\n\x8a\x05\x00\x00\x00\x00\x10\x85R.",
        "UntypedStorage": b"\x80\x02ctorch.storage\nUntypedStorage\n\x8a\x05\x00\x00\x00\x00\x10\x85R.",
        "nested tensor": b"\x80\x02ctorch._utils\n_rebuild_nested_tensor\n)R.",
        "getattr": b"\x80\x02c__builtin__\ngetattr\ncos\nsystem\n" + text("x") + b"\x86R.",
        "import": b"\x80\x02cantigravity\nx\n.",
    }


def write_zip(path, content):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/data.pkl", content)
        archive.writestr("a/version", b"3\n")
        archive.writestr("a/byteorder", b"little")


def write_legacy(path, content):
    head = (torch.serialization.MAGIC_NUMBER, torch.serialization.PROTOCOL_VERSION, {})
    path.write_bytes(b"".join([*(pickle.dumps(part, 2) for part in head), content, pickle.dumps([], 2)]))


@pytest.mark.parametrize("write", [write_zip, write_legacy])
@pytest.mark.parametrize("name", pickles(""))
def test_pickles_that_call_are_refused(tmp_path, name, write, monkeypatch):
    mark = tmp_path / "ran"
    write(tmp_path / "a.pth", pickles(mark)[name])
    if not (name == "after a stop" and write is write_zip):  # there it is never reached
        monkeypatch.setattr(torch, "load", lambda *args, **kwargs: pytest.fail("torch must not see it"))
        with pytest.raises(CheckpointError, match=r"a\.pth: (refused|damaged)"):
            read_checkpoint(tmp_path / "a.pth")
    else:
        assert read_checkpoint(tmp_path / "a.pth") == {}
    assert not mark.exists()
    assert "antigravity" not in sys.modules


def test_a_call_in_every_part_of_a_legacy_file(tmp_path):
    valid = samples.checkpoint(False)
    head = (torch.serialization.MAGIC_NUMBER, torch.serialization.PROTOCOL_VERSION, {"little_endian": True})
    call = pickle.dumps(Call(os.system, f"touch {tmp_path / 'ran'}"), 2)
    for place in range(1, 5):
        parts = [*(pickle.dumps(part, 2) for part in head), pickle.dumps({}, 2), pickle.dumps([], 2)]
        parts[place] = call
        (tmp_path / "a.pth").write_bytes(b"".join(parts))
        with pytest.raises(
            CheckpointError, match=r"refused, because loading it could run code.*posix\.system"
        ):
            read_checkpoint(tmp_path / "a.pth")
    (tmp_path / "b.pth").write_bytes(valid + call)  # behind the end
    assert set(read_checkpoint(tmp_path / "b.pth")) == {"state_dict", "meta", "optimizer"}
    assert not (tmp_path / "ran").exists()


def test_archives_in_archives(tmp_path):
    inner = io.BytesIO()
    torch.save({"a": torch.ones(2)}, inner)
    with zipfile.ZipFile(tmp_path / "a.pth", "w") as archive:
        archive.writestr("a/data.pkl", inner.getvalue())
    with pytest.raises(CheckpointError, match=r"a\.pth: (damaged|refused)"):
        read_checkpoint(tmp_path / "a.pth")
    # Two pickles: torch takes one, and both are looked through.
    with zipfile.ZipFile(tmp_path / "b.pth", "w") as archive:
        archive.writestr("a/data.pkl", pickle.dumps({}, 2))
        archive.writestr("a/b/data.pkl", pickle.dumps(Call(os.system, "true"), 2))
    with pytest.raises(CheckpointError, match="refused, because loading it could run code"):
        read_checkpoint(tmp_path / "b.pth")


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("second", ["a/data.pkl", "a/DATA.PKL"])
def test_two_records_of_one_name(tmp_path, second):
    with zipfile.ZipFile(tmp_path / "a.pth", "w") as archive:
        archive.writestr("a/data.pkl", pickle.dumps(Call(os.system, "true"), 2))
        archive.writestr(second, pickle.dumps({}, 2))
    with pytest.raises(CheckpointError, match=r"a\.pth: .*it holds two records of one name"):
        read_checkpoint(tmp_path / "a.pth")


def test_lists_that_hold_each_other(tmp_path):
    value = ["x"] * 10
    for _ in range(30):
        value = [value] * 10
    torch.save({"state_dict": value}, tmp_path / "a.pth")
    with pytest.raises(CheckpointError, match=r"a\.pth: its lists hold each other"):
        read_checkpoint(tmp_path / "a.pth")
    own: list = []
    own.append(own)
    torch.save({"a": own}, tmp_path / "b.pth")
    with pytest.raises(CheckpointError, match=r"b\.pth: its lists hold each other"):
        read_checkpoint(tmp_path / "b.pth")


def test_a_tensor_that_repeats_one_number_without_end(tmp_path):
    torch.save({"a": torch.ones(1).expand(10**6, 10**6)}, tmp_path / "a.pth")
    with pytest.raises(CheckpointError, match=r"shape \(1000000, 1000000\) stands on 4 bytes"):
        read_checkpoint(tmp_path / "a.pth")
    torch.save({"a": torch.ones(1).expand(3, 4)}, tmp_path / "b.pth")
    assert read_checkpoint(tmp_path / "b.pth")["a"].shape == (3, 4)


def tensors_file(header, data=bytes(16), length=None):
    content = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(content) if length is None else length) + content + data


def entry(begin, end, shape=(4,)):
    return {"dtype": "F32", "shape": list(shape), "data_offsets": [begin, end]}


@pytest.mark.parametrize(
    "content",
    [
        tensors_file({"a": entry(0, 16), "b": entry(0, 16)}),
        tensors_file({"a": entry(0, 16), "b": entry(8, 24)}, bytes(24)),
        tensors_file({"a": entry(0, 2**64 - 1)}),
        tensors_file({"a": entry(0, 2**70)}),
        tensors_file({"a": entry(16, 0)}),
        tensors_file({"a": entry(0, 16, (2**62, 2**62))}),
        tensors_file({"a": entry(0, 16, (-4,))}),
        tensors_file({"a": entry(0, 16)}, length=2**63),
        tensors_file({"a": entry(0, 16)}, length=2**33),
        tensors_file({"a": entry(0, 16)}, b""),
        tensors_file(b'{"a":' * 20_000),
        tensors_file({"__metadata__": {"a": 1}}),
        tensors_file({"a": {**entry(0, 16), "dtype": "OBJECT"}}),
    ],
    ids=[
        "same",
        "overlap",
        "end",
        "overflow",
        "reversed",
        "shape",
        "negative",
        "header",
        "large header",
        "no data",
        "nested",
        "metadata",
        "dtype",
    ],
)
def test_safetensors_with_wrong_numbers(tmp_path, content):
    (tmp_path / "a.safetensors").write_bytes(content)
    with pytest.raises(CheckpointError, match=r"a\.safetensors: damaged"):
        read_checkpoint(tmp_path / "a.safetensors")


def write_bundle_files(folder, **changes):
    card = {**samples.CARD, "model": {**samples.CARD["model"], **changes}}
    (folder / "a.json").write_text(json.dumps(card))
    (folder / "a.safetensors").write_bytes(samples.bundle_weights())
    return folder / "a.safetensors"


@pytest.mark.parametrize(
    "changes",
    [
        {"type": "os.system", "command": "true"},
        {"type": "subprocess.Popen", "args": ["true"]},
        {"backbone": {"type": "posix.system", "command": "true"}},
        {"head": {"type": "builtins.eval"}},
        {"backbone": {"type": "torch.load", "f": "a.pth"}},
        {"backbone": {"type": "posekit.io.files.write_text", "path": "x", "text": "x"}},
        {
            "head": {
                **samples.CARD["model"]["head"],
                "codec": {"type": "mmengine.Config.fromfile", "filename": "x.py"},
            }
        },
    ],
)
def test_a_card_names_posekits_parts_alone(tmp_path, monkeypatch, changes):
    monkeypatch.setattr(os, "system", lambda *args: pytest.fail("it was run"))
    with pytest.raises(CheckpointError, match=r"a\.json: .*expected the name of one of posekit's parts"):
        read_bundle(write_bundle_files(tmp_path, **changes))


@pytest.mark.parametrize(
    ("backbone", "message"),
    [
        ({"features": 100_000}, "more weights than its file"),
        ({"stacks": 90_000}, "more weights than its file"),
        ({"features": 10**9}, "expected a number of at most"),
        ({"features": float("nan")}, "expected a number of at most"),
        ({"pretrained": "/etc/passwd"}, "not allowed on a card"),
    ],
)
def test_a_card_of_a_giant_network(tmp_path, backbone, message):
    path = write_bundle_files(tmp_path, backbone={**samples.CARD["model"]["backbone"], **backbone})
    with pytest.raises(CheckpointError, match=rf"a\.json: .*{message}"):
        read_bundle(path)
