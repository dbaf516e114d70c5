"""Reading files of weights without running anything that is in them.

``torch.load(weights_only=True)`` takes tensors and plain values. Public checkpoints hold a little more:
scores as numpy numbers, logs as objects of mmengine. Those names are met by stand-ins of our own: a number
becomes a Python number, everything else a :class:`NotRead`. No other name is allowed, and none is looked up
in the library that it names.

Before torch sees a file its pickles are looked through, opcode by opcode: only names that weights need may
stand in them, fewer than torch itself allows (its ``bytearray`` or ``Tensor`` would make arrays of any size;
its nested tensors are not checked). Its zip may not unpack to more than
:func:`posekit.io.files.unpacked_limit`, and what was loaded may not be larger, written out, than it is in the
file (a list that holds a list ten times that holds a list ten times ...).
"""

from __future__ import annotations

import io
import mmap
import pickle
import pickletools
import re
import tarfile
import threading
import warnings
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch

from posekit.errors import CheckpointError
from posekit.io.files import too_large, unpacked_limit

EXPECTED = "expected weights written by torch.save (.pth, .pt, .pth.tar) or .safetensors"


def load_file(path: str | Path) -> Any:
    """Loads a file of weights onto the CPU; nothing in the file is executed.

    Args:
        path: Written by ``torch.save``, in its zip form or the one before torch 1.6, or .safetensors.

    Returns:
        What it holds: tensors and plain values, with :class:`NotRead` in the place of other objects.

    Raises:
        CheckpointError: If it is missing or is another kind of file, which the message names.
        Exception: Of any kind from torch, if it is damaged or holds a name that is not allowed.
    """
    path = Path(path)
    if path.is_dir():
        raise _other_kind(path, "a folder")
    if not path.is_file():
        raise CheckpointError(f"checkpoint {path}: no such file")
    if path.suffix == ".safetensors" or _start(path)[8:10] == b'{"':  # eight bytes of length, then a json
        return _load_safetensors(path)
    _refuse_other_kinds(path)
    with _stand_ins_alone(), warnings.catch_warnings():
        # torch says that ``encoding`` goes unused, but uses it: Python 2 wrote numbers as text of bytes.
        warnings.filterwarnings("ignore", "pickle_load_args only works")
        content = torch.load(path, map_location="cpu", weights_only=True, encoding="latin1")
    _check_extent(content, path)
    return content


def _load_safetensors(path: Path) -> dict[str, torch.Tensor]:
    # timm brings it, but only those who have such a file need it.
    from safetensors import SafetensorError
    from safetensors.torch import load_file as load_tensors

    try:
        return load_tensors(path)
    except SafetensorError as error:
        raise CheckpointError(
            f"checkpoint {path}: damaged or not a safetensors file ({error!s:.300})"
        ) from error


# --- other kinds of files --------------------------------------------------------------------------------

_BEGINNINGS = {
    b"version https://git-lfs": "a Git LFS pointer, not the file itself (run 'git lfs pull')",
    b"<!doctype html": "a web page, as a download that failed leaves it",
    b"<html": "a web page, as a download that failed leaves it",
    b"\x89hdf\r\n": "an HDF5 file (Keras, Matlab or the Lua release of hourglass)",
    b"\x1f\x8b": "a gzip archive; unpack it first",
    b"\x93numpy": "a numpy array",
    b"\xff\xd8\xff": "a JPEG picture",
    b"\x89png": "a PNG picture",
}
# Torch's form before 1.6 begins with this number, pickled, so that no other pickle is taken for it.
_LEGACY_START = torch.serialization.MAGIC_NUMBER.to_bytes(10, "little")
_TAR = (
    "a tar archive: either a packed folder, to be unpacked first, or a file of torch 0.1, which no torch can "
    "read without running code from it. If you trust it, write it anew in an environment kept apart: load it "
    "there with the torch that wrote it, and torch.save its weights"
)


def _refuse_other_kinds(path: Path) -> None:
    """Names files that are no checkpoints; a zip's records must match their CRC-32, which torch ignores."""
    start = _start(path)
    for beginning, kind in _BEGINNINGS.items():
        if start.lstrip().lower().startswith(beginning) or start.lower().startswith(beginning):
            raise _other_kind(path, kind)
    if start.startswith(b"PK\x03\x04"):
        _check_archive(path)
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                if name.lower().endswith("data.pkl"):
                    _scan_pickle(io.BytesIO(archive.read(name)))
    elif not start.strip(b"\0"):
        kind = "empty" if not start else "nothing but zeros where it begins, as a copy that failed leaves it"
        raise CheckpointError(f"checkpoint {path}: damaged: it is {kind}; {EXPECTED}")
    elif _is_tar(path):
        # torch before 2.6 would hand it to the ordinary unpickler, whatever ``weights_only`` says.
        raise _other_kind(path, _TAR)
    elif _LEGACY_START not in start:
        raise _other_kind(path, _kind_of_start(start))
    else:
        # Mapped, because reading as much as a damaged length states would first reserve it.
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            for _ in range(5):  # magic number, version, system, content, keys of the storages
                _scan_pickle(content)


def _is_tar(path: Path) -> bool:
    """Whether it is a tar; a compressed one is none, since to see would be to unpack it."""
    try:
        with tarfile.open(path, "r:"):
            return True
    except (tarfile.TarError, OSError):
        return False


def _start(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(64)


def _kind_of_start(start: bytes) -> str:
    if start.startswith(b"\x80"):
        return "a pickle that torch.save did not write, which could run code"
    text = start.decode("utf-8", errors="ignore")
    if len(text.encode()) > len(start) - 4 and all(sign.isprintable() or sign.isspace() for sign in text):
        return f"a text that begins with {text[:24]!r}"
    return f"of an unknown kind (its first bytes are {start[:4].hex(' ')})"


def _check_archive(path: Path) -> None:
    if not zipfile.is_zipfile(path):  # the table of contents stands at the end
        raise zipfile.BadZipFile(f"the end of the archive is missing after {path.stat().st_size} bytes")
    with zipfile.ZipFile(path) as archive:
        size = path.stat().st_size
        # Torch stores its records as they are; packed anew they may be larger than the file, up to a limit.
        limit = max(unpacked_limit(size), size)
        if sum(record.file_size for record in archive.infolist()) > limit:
            raise CheckpointError(f"checkpoint {path}: {too_large(size, limit)}")
        bad = archive.testzip()
        names = archive.namelist()
    records = {name.rsplit("/", 1)[-1] for name in names}
    if len({name.lower() for name in names}) < len(names):  # torch, which ignores case, might take the other
        raise zipfile.BadZipFile("it holds two records of one name")
    if bad is not None:
        raise zipfile.BadZipFile(f"record {bad} does not match its checksum")
    if "constants.pkl" in records:
        raise _other_kind(path, "a TorchScript program")
    if "data.pkl" not in records:
        raise _other_kind(path, f"a zip archive of {sorted(records)[:4]}")


# --- pickles -----------------------------------------------------------------------------------------------

_NEEDED = {
    "collections.OrderedDict",
    "collections.Counter",
    "torch.Size",
    "torch.device",
    "torch.nn.parameter.Parameter",
    "torch._utils._rebuild_tensor",
    "torch._utils._rebuild_tensor_v2",
    "torch._utils._rebuild_tensor_v3",
    "torch._utils._rebuild_parameter",
    "torch._utils._rebuild_sparse_tensor",
    "torch.serialization._get_layout",
    "_codecs.encode",
    "builtins.set",
    "builtins.complex",
}


def _scan_pickle(file: Any) -> None:
    """Reads one pickle's opcodes and runs none of them.

    Raises:
        pickle.UnpicklingError: On a name that weights do not need, or a way to state one that weights do not
            use; ValueError and others if it is damaged.
    """
    for opcode, argument, _ in pickletools.genops(file):
        if opcode.name == "GLOBAL":
            name = _modern(str(argument))
            if not _is_needed(name):
                raise pickle.UnpicklingError(f"Unsupported global: GLOBAL {name}")
        elif opcode.name in ("STACK_GLOBAL", "INST", "OBJ", "NEWOBJ_EX", "EXT1", "EXT2", "EXT4"):
            raise pickle.UnpicklingError(f"Unsupported opcode {opcode.name}, which names code in another way")


def _modern(argument: str) -> str:
    """A global's full name, Python 2's as Python 3 calls it, which is how torch takes it."""
    from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING

    module, name = argument.split(" ", 1)
    module, name = NAME_MAPPING.get((module, name), (IMPORT_MAPPING.get(module, module), name))
    return f"{module}.{name}"


def _is_needed(name: str) -> bool:
    module, _, last = name.rpartition(".")
    if module == "torch" and last.isidentifier():
        kind = getattr(torch, last, None)
        return isinstance(kind, torch.dtype) or (
            re.fullmatch(r"[A-Z][A-Za-z0-9]*Storage", last) is not None
            and last not in ("TypedStorage", "UntypedStorage")
        )
    return name in _NEEDED or name in {f"{one.__module__}.{one.__qualname__}" for one in _STAND_INS}


def _check_extent(content: Any, path: Path) -> None:
    """Raises CheckpointError if going through the content would take much longer than reading it did."""
    sizes: dict[int, int] = {}
    limit = 1_000_000

    def extent(value: Any, depth: int) -> int:
        if isinstance(value, torch.Tensor):
            return _check_tensor(value, path)
        if not isinstance(value, (Mapping, list, tuple, set)):
            return 1
        if id(value) not in sizes:
            if depth > 100:
                raise CheckpointError(f"checkpoint {path}: its content is nested more than 100 deep")
            sizes[id(value)] = 10 * limit * limit  # met again within itself
            items = [*value.values(), *value] if isinstance(value, Mapping) else value
            sizes[id(value)] = 1 + sum(extent(item, depth + 1) for item in items)
        return sizes[id(value)]

    if extent(content, 0) > limit + 10 * path.stat().st_size:
        raise CheckpointError(
            f"checkpoint {path}: its lists hold each other, so that written out they are without end"
        )


def _check_tensor(tensor: torch.Tensor, path: Path) -> int:
    """A tensor may repeat its numbers (strides of 0), but not fill the memory when it is copied."""
    size = tensor.numel() * tensor.element_size()
    stored = tensor.untyped_storage().nbytes() if tensor.layout == torch.strided else 0
    limit = max(unpacked_limit(path.stat().st_size), stored)
    if size > limit:
        raise CheckpointError(
            f"checkpoint {path}: a tensor of shape {tuple(tensor.shape)} stands on {stored:,} bytes; "
            f"{too_large(path.stat().st_size, limit)}"
        )
    return 1


def _other_kind(path: Path, kind: str) -> CheckpointError:
    return CheckpointError(f"checkpoint {path}: is {kind}; {EXPECTED}")


# --- stand-ins -------------------------------------------------------------------------------------------


class NotRead:
    """Stands for an object that was not read, such as a log, a path or an array among the meta data."""

    def __init__(self, *args: Any) -> None:
        pass

    def __repr__(self) -> str:
        return f"<{type(self).__module__}.{type(self).__qualname__}, not read>"

    def __setstate__(self, state: Any) -> None:
        pass


class _Dtype:
    """``numpy.dtype`` of a number: its code, such as "f8", and byte order."""

    def __init__(self, code: str = "", *args: Any) -> None:
        self.code, self.order = str(code), "="

    def __setstate__(self, state: tuple) -> None:
        self.order = str(state[1])


def _scalar(dtype: Any, data: str | bytes = b"") -> Any:
    """A numpy number as a Python number; texts and records are not read."""
    code = getattr(dtype, "code", "")
    if not re.fullmatch(r"[biufc]\d{1,2}", code) or dtype.order not in ("<", ">", "=", "|"):
        return NotRead()
    content = data.encode("latin1") if isinstance(data, str) else data
    return np.frombuffer(content, np.dtype(dtype.order + code))[0].item()


def _encode(text: str, encoding: str = "latin1") -> bytes:
    """``_codecs.encode``, by which the bytes of numbers are written; torch 2.4 does not allow it itself."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"_codecs.encode: expected latin1, found {encoding!r:.40}")
    return text.encode(encoding)


class _Mapping:
    """Reads subclasses of dict as what torch's unpickler can fill."""

    def __new__(cls, *args: Any) -> OrderedDict:  # type: ignore[misc]
        return OrderedDict(args[0] if args and isinstance(args[0], dict) else {})


def _named(full_name: str, stand_in: type | Callable) -> type | Callable:
    """A stand-in under another name: torch before 2.6 has no other way to say which one it stands for."""
    module, name = full_name.rsplit(".", 1)
    if isinstance(stand_in, type):
        return type(name, (stand_in,), {"__module__": module, "__qualname__": name})

    def call(*args: Any) -> Any:
        return stand_in(*args)

    call.__module__, call.__name__, call.__qualname__ = module, name, name
    return call


_ARRAYS = [f"numpy.{core}.multiarray" for core in ("core", "_core")]  # before and since numpy 2
_MAPPINGS = ("mmengine.config.config.ConfigDict", "mmcv.utils.config.ConfigDict", "addict.addict.Dict")
_UNREAD = (
    "builtins.getattr",  # of a HistoryBuffer's methods
    "builtins.list",
    "mmcv.utils.config.Config",
    "mmengine.config.config.Config",
    "mmengine.logging.history_buffer.HistoryBuffer",
    *(f"pathlib{part}.{kind}Path" for part in ("", "._local") for kind in ("Posix", "Windows")),
)
_ARRAY: Any = _named("numpy.ndarray", NotRead)
_STAND_INS: list[Any] = [
    _named("numpy.dtype", _Dtype),
    _named("_codecs.encode", _encode),
    # Plain values that torch 2.4 does not allow itself.
    _named("builtins.set", lambda *items: set(*items)),
    _named("builtins.complex", lambda *parts: complex(*parts)),
    _named("collections.defaultdict", _Mapping),
    *(_named(f"{module}.scalar", _scalar) for module in _ARRAYS),
    *(_named(name, _Mapping) for name in _MAPPINGS),
    *(_named(name, NotRead) for name in _UNREAD),
    # Arrays are made empty by one function and then filled.
    _ARRAY,
    *(_named(f"{module}._reconstruct", lambda *args: _ARRAY()) for module in _ARRAYS),
]
_lock = threading.Lock()


@contextmanager
def _stand_ins_alone() -> Iterator[None]:
    """Allows the stand-ins, and nothing else that the process may have allowed before."""
    from torch.serialization import add_safe_globals, clear_safe_globals, get_safe_globals

    with _lock:  # the list is the process's
        before = list(get_safe_globals())
        clear_safe_globals()
        add_safe_globals(_STAND_INS)
        try:
            yield
        finally:
            clear_safe_globals()
            add_safe_globals(before)
