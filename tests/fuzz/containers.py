"""Mutations inside what is packed, checksums made to fit again, so that they reach the readers behind them.

A byte changed in a zip, a gzip, a packed MATLAB variable or a PNG only meets its checksum. Here the parts are
unpacked, one is changed, and all are packed anew: a member of a zip, the json of a gzip, a variable, a chunk.
Of pickles the opcodes are changed, and calls put in; of safetensors the header.
"""

from __future__ import annotations

import gzip
import io
import json
import pickletools
import struct
import zipfile
import zlib
from random import Random

from .mutate import mutate_bytes, mutate_json, mutate_value

# What would run or fill the memory, if something loaded it.
CALLS = [
    b"cos\nsystem\nX\x04\x00\x00\x00true\x85R",
    b"cposix\nsystem\nX\x04\x00\x00\x00true\x85R",
    b"c__builtin__\neval\nX\x03\x00\x00\x001+1\x85R",
    b"c__builtin__\ngetattr\n",
    b"csubprocess\nPopen\n]X\x04\x00\x00\x00truea\x85\x81",
    b"(X\x04\x00\x00\x00trueios\nsystem\n",
    b"\x8c\x02os\x8c\x06system\x93",
    b"ctorch\nload\n",
    b"ctorch.hub\nload\n",
    b"ctorch._utils\n_rebuild_nested_tensor\n)R",
    b"ctorch.storage\n_load_from_bytes\nC\x02aa\x85R",
    b"ctorch.storage\nUntypedStorage\n\x8a\x05\x00\x00\x00\x00\x10\x85R",
    b"c__builtin__\nbytearray\n\x8a\x05\x00\x00\x00\x00\x10\x85R",
    b"ctorch\nSize\n",
    b"c_codecs\nencode\nX\x01\x00\x00\x00aX\x06\x00\x00\x00rot_13\x86R",
    b"cnumpy\nload\n",
    b"cnumpy.core.multiarray\n_reconstruct\n",
    b"cmmengine.config.config\nConfig\n",
    b"ccollections\nOrderedDict\n)R}X\x09\x00\x00\x00__class__cos\nsystem\nsb",
    b"ccollections\ndefaultdict\ncos\ngetcwd\n\x85R",
    b"X\x07\x00\x00\x00storageQ",
    b"\x82\x01",
    b"2" * 40 + b"t",
    b"(" * 500,
    b"]" * 300,
]
MEMBERS = ["../outside/new.txt", "/tmp/new.txt", "a/data.pkl", "A/DATA.PKL", "", "x" * 300, "a/../a", "é\n"]


def mutate_inside(data: bytes, random: Random) -> bytes | None:
    """The data with a part of it changed; None if it is no container."""
    if data[:2] == b"\x1f\x8b":
        return gzip.compress(_mutate_part(gzip.decompress(data), random), mtime=0)
    if data[:4] == b"PK\x03\x04":
        return _mutate_zip(data, random)
    if data[:8] == b"\x89PNG\r\n\x1a\n":
        return _mutate_png(data, random)
    if data[124:128] == b"\x00\x01IM":
        return _mutate_mat(data, random)
    if data[8:10] == b'{"':
        return _mutate_safetensors(data, random)
    if data[:2] == b"\x80\x02":
        return mutate_pickle(data, random)
    return None


def _mutate_part(part: bytes, random: Random, name: str = "") -> bytes:
    if name.endswith(".pkl") and random.random() < 0.8:
        return mutate_pickle(part, random)
    if part[:1] in (b"{", b"["):
        return mutate_json(json.loads(part), random)
    return mutate_bytes(part, random)


def _mutate_zip(data: bytes, random: Random) -> bytes:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        parts = [(name, archive.read(name)) for name in archive.namelist()]
    pickles = [i for i, (name, _) in enumerate(parts) if name.endswith(".pkl")]
    at = random.choice(pickles) if pickles and random.random() < 0.6 else random.randrange(len(parts))
    name, part = parts[at]
    match random.randrange(8):
        case 0:
            parts[at] = random.choice([*MEMBERS, random.choice(parts)[0]]), part
        case 1:
            parts.insert(at, (random.choice([*MEMBERS, name]), random.choice(parts)[1]))
        case 2:
            del parts[at]
        case _:
            parts[at] = name, _mutate_part(part, random, name)
    how = random.choice((zipfile.ZIP_STORED, zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", how) as archive:
        for name, part in parts:
            archive.writestr(zipfile.ZipInfo(name), part, how)
    return out.getvalue()


def mutate_pickle(data: bytes, random: Random) -> bytes:
    """A call put in between two opcodes of a pickle, opcodes taken out or repeated, else its bytes."""
    if random.random() < 0.2:
        return mutate_bytes(data, random)
    places = [place for _, _, place in pickletools.genops(data) if place]
    end = len(data)
    if data[:12] == data[:2] + b"\x8a\x0a" + data[4:12] and data.count(b"\x80\x02") > 3:
        # Torch's form before 1.6 is five pickles, one behind the other.
        start = random.choice([at for at in range(len(data) - 2) if data[at : at + 2] == b"\x80\x02"][:5])
        file = io.BytesIO(data[start:])
        places = [start + place for _, _, place in pickletools.genops(file) if place]
        end = start + file.tell()
    at = random.choice(places)
    after = min((place for place in places if place > at), default=end)
    match random.randrange(5):
        case 0:
            return data[:at] + data[after:]
        case 1:
            return data[:at] + data[at:after] * random.choice((2, 50)) + data[after:]
        case 2:
            return data[:at] + mutate_bytes(data[at:after], random) + data[after:]
        case _:
            return data[:at] + random.choice(CALLS) + data[at:]


def _mutate_png(data: bytes, random: Random) -> bytes:
    chunks, at = [], 8
    while at + 12 <= len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        chunks.append([data[at + 4 : at + 8], data[at + 8 : at + 8 + length]])
        at += 12 + length
    chunk = random.choice(chunks)
    match random.randrange(6):
        case 0:
            chunk[0] = random.choice((b"IDAT", b"PLTE", b"tRNS", b"eXIf", b"iCCP", b"acTL", b"fdAT", b"zTXt"))
        case 1:
            chunks.insert(random.randrange(len(chunks)), list(random.choice(chunks)))
        case 2 if chunk[0] == b"IDAT":
            chunk[1] = zlib.compress(
                mutate_bytes(zlib.decompress(chunk[1]), random) * random.choice((1, 500))
            )
        case _:
            chunk[1] = mutate_bytes(chunk[1], random)
    body = b"".join(
        struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        for kind, content in chunks
    )
    return data[:8] + body


def _mutate_mat(data: bytes, random: Random) -> bytes:
    """One packed variable of a MATLAB file changed and packed again, or put in packed."""
    parts, at = [], 128
    while at + 8 <= len(data):
        kind, length = struct.unpack("<II", data[at : at + 8])
        content = data[at + 8 : at + 8 + length]
        parts.append(zlib.decompress(content) if kind == 15 else data[at : at + 8 + length])
        at += 8 + length
    which = random.randrange(len(parts))
    parts[which] = mutate_bytes(parts[which], random)
    packed = [zlib.compress(part) for part in parts]
    return data[:128] + b"".join(struct.pack("<II", 15, len(part)) + part for part in packed)


def _mutate_safetensors(data: bytes, random: Random) -> bytes:
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    text = json.dumps(mutate_value(header, random)).encode()
    return struct.pack("<Q", len(text)) + text + data[8 + length :]
