"""json by orjson and by Python: the same values, the same errors."""

import json
import math

import numpy as np
import pytest

from posekit.errors import DataError
from posekit.io import files
from posekit.io.files import read_json

TEXTS = [
    b"[-0, -0.0, 1E5, 1e-400, 9007199254740993.0]",
    b"[18446744073709551615, 18446744073709551616, -9223372036854775808, -9223372036854775809]",
    b"[9999999999999999999, -9999999999999999999, 99999999999999999999999]",
    b"[0.00012345678901234567, 0.123456789012345678901234567890, 12345678901234567890.5]",
    b"[1e400]",
    b"[Infinity]",
    b'"\\ud800"',
    b"\xef\xbb\xbf{}",
    '{"a": "é\u2028"}'.encode("utf-16"),
    b'{"a": 1, "a": 2}',
    b'{"a": [true, null, "b", {"c": 1.5}]}',
]
FAULTS = [b"", b"[1,]", b"\xff", b"01", b'{"a":1} {}', b'"a\tb"', b"[1 2]", b"{'a': 1}"]


@pytest.fixture(params=["orjson", "Python"])
def reader(request, monkeypatch):
    if request.param == "Python":
        monkeypatch.setattr(files, "orjson", None)
    else:
        pytest.importorskip("orjson")
    return request.param


def same(a, b):
    if isinstance(a, list):
        return len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and (a == b) and (not isinstance(a, float) or repr(a) == repr(b))


@pytest.mark.parametrize("text", TEXTS)
def test_values_are_those_of_python(reader, text):
    assert same(files.parse_json(text), json.loads(text))


def test_nan_is_read(reader):
    assert math.isnan(files.parse_json(b"[NaN]")[0])


@pytest.mark.parametrize("text", FAULTS)
def test_errors_are_those_of_python(reader, text, tmp_path):
    with pytest.raises(ValueError) as expected:  # noqa: PT011 (of several kinds)
        json.loads(text)
    with pytest.raises(ValueError) as found:  # noqa: PT011
        files.parse_json(text)
    assert str(found.value) == str(expected.value)
    (tmp_path / "a.json").write_bytes(text)
    with pytest.raises(DataError, match=r"a\.json: is not JSON: "):
        read_json(tmp_path / "a.json")


def test_a_number_beyond_all_measure_is_infinite(reader):
    assert files.parse_json(b"[" + b"1" * 400 + b", -" + b"2" * 5000 + b"]") == [math.inf, -math.inf]


def test_long_numbers_are_found_across_blocks(monkeypatch):
    monkeypatch.setattr(files, "_BLOCK", 32)
    rng = np.random.default_rng(0)
    for _ in range(2000):
        parts = [b"5" * int(n) if n else b",.-"[int(k) :][:1] for n, k in rng.integers(0, (26, 3), (8, 2))]
        text = b",".join(parts)
        whole = [p for p in text.replace(b"-", b",").split(b",") if len(p.split(b".")[0]) >= 19]
        assert files._has_long_integer(text) == bool(whole), text


def test_what_is_written_is_read_back(reader):
    value = [{"a": np.arange(6.0).reshape(2, 3) / 3, "b": 0.1, "c": None, "d": "é", "e": [1, True]}]
    text = files.compact_json(value, finite=True)
    assert b" " not in text
    assert json.loads(text) == [{**value[0], "a": value[0]["a"].tolist()}]


def test_nan_is_written_as_python_writes_it(reader):
    assert files.compact_json([np.array([1.0, np.nan])], finite=False) == b"[[1.0,NaN]]"
