"""Checkpoints: safe to read, whole when written, and clear when they do not fit."""

from __future__ import annotations

import hashlib
import os
import pickle
import random
import resource
import zipfile

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from posekit.engine.checkpoints import files as ck
from posekit.engine.checkpoints.state import random_state, restore_random_state
from posekit.errors import CheckpointError
from posekit.io import checkpoint as reading
from posekit.io.files import atomic_file, sha256, write_text


class Payload:
    """A pickle that touches a file when it is loaded by ordinary means."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (os.system, (f"touch '{self.path}'",))


@pytest.mark.parametrize("zipped", [True, False])
def test_code_in_a_checkpoint_is_not_run(tmp_path, zipped):
    touched, file = tmp_path / "ran", tmp_path / "evil.pth"
    content = {"state_dict": {"a": torch.zeros(2)}, "meta": Payload(touched)}
    torch.save(content, file, _use_new_zipfile_serialization=zipped)
    with pytest.raises(CheckpointError, match=r"evil\.pth: refused.*system.*nothing in it was executed"):
        reading.read_checkpoint(file)
    assert not touched.exists()
    torch.load(file, weights_only=False)  # the payload is a live one
    assert touched.exists()


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("protocol", [2, 4])
def test_a_bare_pickle_is_refused(tmp_path, protocol):
    file = tmp_path / "evil.pth"
    file.write_bytes(pickle.dumps(Payload(tmp_path / "ran"), protocol=protocol))
    with pytest.raises(CheckpointError, match=r"evil\.pth"):
        reading.read_checkpoint(file)
    assert not (tmp_path / "ran").exists()


def _good(path):
    ck.write_checkpoint({"state_dict": {"a": torch.arange(5000.0)}}, path)
    return path.read_bytes()


def test_a_truncated_file_is_told_in_a_whole_sentence(tmp_path):
    data = _good(tmp_path / "good.pth")
    for length in (4, 100, len(data) // 2, len(data) - 80):
        (tmp_path / "cut.pth").write_bytes(data[:length])
        with pytest.raises(CheckpointError) as caught:
            reading.read_checkpoint(tmp_path / "cut.pth")
        reason = f"the end of the archive is missing after {length} bytes"
        assert str(caught.value).endswith(f"cut.pth: damaged or truncated (BadZipFile: {reason})")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (RuntimeError("failed reading. This is an internal error"), "RuntimeError: failed reading"),
        (RuntimeError("one " * 100 + "end.\nmore"), "RuntimeError: " + "one " * 100 + "end"),
        (OSError("no a.b.pth here"), "OSError: no a.b.pth here"),
        (EOFError(), "EOFError"),
    ],
)
def test_an_error_in_brief_is_its_first_sentence(error, expected):
    assert reading.brief(error) == expected


def test_damaged_files_are_named(tmp_path):
    data = _good(tmp_path / "good.pth")
    middle = len(data) // 2
    flipped = data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]
    cases = {"half": data[:middle], "empty": b"", "zeros": bytes(2000), "bit": flipped}
    cases.update({f"short{n}": data[:-n] for n in (1, 70, 71, 72, 93)})
    for name, content in cases.items():
        (tmp_path / f"{name}.pth").write_bytes(content)
        with pytest.raises(CheckpointError, match=rf"{name}\.pth: damaged"):
            reading.read_checkpoint(tmp_path / f"{name}.pth")
    with pytest.raises(CheckpointError, match=r"none\.pth: no such file"):
        reading.read_checkpoint(tmp_path / "none.pth")
    torch.save([1], tmp_path / "list.pth")
    with pytest.raises(CheckpointError, match="expected a dict, found list"):
        reading.read_checkpoint(tmp_path / "list.pth")


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_end_in_a_checkpoint_error(tmp_path_factory, content):
    file = tmp_path_factory.mktemp("fuzz") / "f.pth"
    file.write_bytes(content)
    with pytest.raises(CheckpointError):
        reading.read_checkpoint(file)


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path, monkeypatch):
    data = _good(tmp_path / "last.pth")

    def full_disk(obj, file):
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full_disk)
    with pytest.raises(CheckpointError, match=r"last\.pth: cannot be written.*No space left"):
        ck.write_checkpoint({"a": 1}, tmp_path / "last.pth")
    assert (tmp_path / "last.pth").read_bytes() == data
    assert [path.name for path in tmp_path.iterdir()] == ["last.pth"]


def test_a_write_that_the_system_cuts_short_is_told_with_its_reason(tmp_path):
    """Without the system's word torch's message is of positions in an archive."""
    data = _good(tmp_path / "last.pth")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, before[1]))
    try:
        with pytest.raises(CheckpointError, match=r"last\.pth: cannot be written \(OSError.*File too large"):
            ck.write_checkpoint({"a": torch.zeros(500_000)}, tmp_path / "last.pth")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert (tmp_path / "last.pth").read_bytes() == data
    assert [path.name for path in tmp_path.iterdir()] == ["last.pth"]


def test_atomic_file_appears_only_when_whole(tmp_path):
    path = tmp_path / "sub" / "f.txt"
    with atomic_file(path) as file:
        file.write(b"abc")
        assert not path.exists()
    assert path.read_bytes() == b"abc"
    with pytest.raises(TypeError), atomic_file(path) as file:
        file.write("not bytes")
    assert path.read_bytes() == b"abc"
    assert sha256(path) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_plain_values():
    value = {
        "a": np.float32(0.5),
        "b": (np.arange(2), [None, "x"]),
        "c": nn.Parameter(torch.ones(1)),
        "d": np.int64(3),
    }
    plain = ck.to_plain(value)
    assert plain["a"] == 0.5
    assert type(plain["d"]) is int
    assert plain["b"] == ([0, 1], [None, "x"])
    assert type(plain["c"]) is torch.Tensor
    with pytest.raises(TypeError, match=r"checkpoint\['a'\]\[1\]: a object"):
        ck.to_plain({"a": [1, object()]})
    assert not ck.is_plain({"a": object()})


def net(width=3):
    return nn.Sequential(nn.Linear(2, width), nn.BatchNorm1d(width))


def test_weights_fit_or_are_tabled():
    source, target = net().state_dict(), net().state_dict()
    wrapped = {f"module.{key}": value for key, value in source.items()}
    for checkpoint in ({"state_dict": source}, {"model": source, "epoch": 3}, source, wrapped):
        found = reading.weights_of(checkpoint, "f")
        assert reading.compare_weights(target, found) == ""
        assert found["0.weight"] is source["0.weight"]

    other = dict(net(4).state_dict())
    other["extra"] = torch.zeros(7)
    del other["1.bias"]
    table = reading.compare_weights(target, other)
    assert "1 of 7 keys missing from the checkpoint:\n    1.bias  3" in table
    assert "1 of 7 keys unexpected in the checkpoint:\n    extra  7" in table
    assert "0.weight  expected 3x2, found 4x2" in table


def test_numbers_that_a_copy_would_spoil_are_tabled():
    expected = net().state_dict()
    spoilt = {
        "0.weight": expected["0.weight"].long(),
        "0.bias": expected["0.bias"].to(torch.complex64),
        "1.bias": expected["1.bias"].to_sparse(),
    }
    table = reading.compare_weights(expected, {**expected, **spoilt})
    assert "3 of 7 keys of another kind of numbers" in table
    assert "0.weight  expected real numbers, found whole numbers" in table
    assert "0.bias  expected real numbers, found complex numbers" in table
    assert "1.bias  expected real numbers, found real numbers, torch.sparse_coo" in table
    assert reading.compare_weights(expected, {key: value.half() for key, value in expected.items()}) == ""


def test_long_tables_are_cut():
    expected = {f"layer{i}": torch.zeros(1) for i in range(100)}
    table = reading.compare_weights(expected, {})
    assert "100 of 100 keys missing" in table
    assert "... and 92 more" in table
    assert len(table.splitlines()) == 10


def test_no_weights_at_all():
    with pytest.raises(CheckpointError, match=r"w\.pth: expected weights.*'epoch'"):
        reading.weights_of({"epoch": 3}, "w.pth")


def test_weights_that_are_no_tensors_are_named(tmp_path):
    torch.save({"state_dict": {"a": torch.zeros(2), "b": np.zeros(2)}}, tmp_path / "numpy.pth")
    with pytest.raises(CheckpointError, match=r"expected tensors in 'state_dict', found 'b': <numpy.nd"):
        reading.weights_of(reading.read_checkpoint(tmp_path / "numpy.pth"), "w.pth")


def test_candidates_begin_with_the_marked_one(tmp_path):
    for i, name in enumerate(["epoch_1.pth", "epoch_10.pth", "epoch_2.pth", "epoch_x.pth", "best_AP.pth"]):
        (tmp_path / name).write_bytes(b"")
        os.utime(tmp_path / name, (100 + i, 100 + i))
    assert [n for n, _ in ck.saved_files(tmp_path)] == [1, 2, 10]
    assert [p.name for p in ck.resume_candidates(tmp_path)] == ["epoch_2.pth", "epoch_10.pth", "epoch_1.pth"]
    ck.mark_last(tmp_path, "epoch_10.pth")
    assert [p.name for p in ck.resume_candidates(tmp_path)] == ["epoch_10.pth", "epoch_2.pth", "epoch_1.pth"]
    write_text(tmp_path / ck.MARKER, "/elsewhere/epoch_1.pth")  # as mmengine writes it, folder since moved
    assert next(iter(ck.resume_candidates(tmp_path))).name == "epoch_1.pth"
    for content in (b"", b"\xff\xfe\x00/\x00", b"..", b"x" * 5000):  # what a broken disk may leave
        (tmp_path / ck.MARKER).write_bytes(content)
        assert {"epoch_1.pth", "epoch_2.pth", "epoch_10.pth"} <= {
            p.name for p in ck.resume_candidates(tmp_path)
        }


def test_candidates_pass_over_what_a_training_removes_meanwhile(tmp_path, monkeypatch):
    (tmp_path / "epoch_2.pth").write_bytes(b"")
    gone = (1, tmp_path / "epoch_1.pth")
    found = [gone, (2, tmp_path / "epoch_2.pth")]
    monkeypatch.setattr(ck, "saved_files", lambda _, kind="epoch": found if kind == "epoch" else [])
    assert [p.name for p in ck.resume_candidates(tmp_path)] == ["epoch_2.pth"]


def test_best_name_is_a_file_name():
    assert ck.best_name("PCKh@0.5/mean_weighted") == "best_PCKh@0.5_mean_weighted.pth"
    assert ck.best_name("../AP") == "best_.._AP.pth"


def test_random_state_survives_a_file(tmp_path):
    ck.write_checkpoint({"rng": random_state()}, tmp_path / "r.pth")
    drawn = _draw()
    assert _draw() != drawn
    restore_random_state(reading.read_checkpoint(tmp_path / "r.pth")["rng"])
    assert _draw() == drawn


def _draw():
    return [random.random(), float(np.random.rand()), float(torch.rand(()))]  # noqa: NPY002


def test_the_checksum_is_that_of_what_torch_wrote(tmp_path):
    data = _good(tmp_path / "good.pth")
    body, stated = data[:-71], data[-64:].decode()
    assert data[-71:-64] == b"sha256:"
    assert body[-2:] == b"\x47\x00"  # the length of the comment, 71
    assert hashlib.sha256(body[:-2] + b"\0\0").hexdigest() == stated
    assert zipfile.ZipFile(tmp_path / "good.pth").comment == data[-71:]
    assert torch.equal(
        torch.load(tmp_path / "good.pth", weights_only=True)["state_dict"]["a"], torch.arange(5000.0)
    )


def test_every_damaged_byte_is_found(tmp_path):
    """Also those that no CRC covers, such as the padding between the records."""
    ck.write_checkpoint({"a": torch.zeros(3)}, tmp_path / "good.pth")
    data = (tmp_path / "good.pth").read_bytes()
    path = tmp_path / "bad.pth"
    for place in range(0, len(data), 7):
        path.write_bytes(data[:place] + bytes([data[place] ^ 4]) + data[place + 1 :])
        with pytest.raises(CheckpointError, match=r"bad\.pth"):
            reading.read_checkpoint(path)


def test_files_of_other_programs_carry_no_checksum(tmp_path):
    torch.save({"a": torch.ones(2)}, tmp_path / "theirs.pth")
    assert torch.equal(reading.read_checkpoint(tmp_path / "theirs.pth")["a"], torch.ones(2))
    torch.save({"a": torch.ones(2)}, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    assert torch.equal(reading.read_checkpoint(tmp_path / "old.pth")["a"], torch.ones(2))
