"""Small seeded mutations of valid files: of their bytes, and of the values in a json."""

from __future__ import annotations

import copy
import json
from random import Random
from typing import Any

# Stands for the path of the folder beside the one that is read, which differs from run to run.
OUTSIDE = "@OUTSIDE@"
NESTED: Any = 0
for _ in range(60):
    NESTED = [NESTED]
VALUES: list[Any] = [
    float("nan"),
    float("inf"),
    -float("inf"),
    1e308,
    -1e308,
    5e-324,
    10**400,
    -(10**19),
    2**63,
    2**31,
    -1,
    0,
    1,
    0.5,
    True,
    False,
    None,
    "",
    "0",
    "NaN",
    "x" * 5000,
    "\x00",
    "\ud800",
    "é" * 300,
    [],
    {},
    [[]],
    [None],
    NESTED,
    {"a": {"b": []}},
    [1, 2, 3],
    list(range(2000)),
    "../../etc/passwd",
    "/etc/passwd",
    "..\\..\\a.jpg",
    "C:\\a.jpg",
    "a\x00b.jpg",
    "sub/" * 400 + "a.jpg",
    "CON",
    "\\\\server\\share\\a.jpg",
    "1" * 30,
    "~/a.jpg",
    # What lies beside the folder that is read, by name and by links; a pipe and a device in it.
    "../outside/a.png",
    "../outside/a.json",
    f"{OUTSIDE}/a.png",
    f"{OUTSIDE}/new.png",
    "linked/a.png",
    "link.png",
    "pipe.jpg",
    "zero.jpg",
]
TOKENS = [
    b"NaN",
    b"-Infinity",
    b"1e400",
    b"9" * 400,
    b"9" * 5000,
    b"-1",
    b"true",
    b"null",
    b'"x"',
    b"[[",
    b"]",
    b"}",
    b'{"a":',
    b",",
    b"\xff",
    b"\xed\xa0\x80",
    b"\x00",
    b"\\ud800",
    b"\\u0000",
    b"[" * 3000,
    b" " * 4000,
    b'"' + b"a" * 20000 + b'"',
    b"0" * 50,
    b"1E",
    b"\xef\xbb\xbf",
    b"../",
]
WORDS = [
    b"\x00" * 4,
    b"\xff" * 4,
    b"\x7f\xff\xff\xff",
    b"\xff\xff\xff\x7f",
    b"\x80\x00\x00\x00",
    b"\x01\x86\xa0",
    b"\x00\x01\x86\xa0",
    b"\xa0\x86\x01\x00",
    b"\xff\xff",
    b"\x00" * 64,
    b"\xff" * 8,
    b"\x10\x27",
]


def mutate_bytes(data: bytes, random: Random) -> bytes:
    """One to six changes of the bytes: flips, words, cuts, repeats, splices."""
    content = bytearray(data)
    for _ in range(random.choice((1, 1, 1, 2, 3, 6))):
        at = random.randrange(len(content) + 1)
        # Formats keep what matters at their beginning.
        at = random.randrange(min(len(content), 256) + 1) if random.random() < 0.4 else at
        size = random.choice((1, 1, 2, 4, 8, 33, 200))
        match random.randrange(8):
            case 0 if content:
                content[at % len(content)] ^= 1 << random.randrange(8)
            case 1:
                content[at : at + size] = random.randbytes(size)
            case 2:
                word = random.choice(WORDS)
                content[at : at + len(word)] = word
            case 3:
                del content[at : at + size]
            case 4:
                content[at:at] = content[at : at + size] * random.choice((1, 2, 50))
            case 5 if random.random() < 0.5:
                del content[at:]
            case 6:
                other = random.randrange(len(content) + 1)
                content[at:at] = content[other : other + size]
            case _:
                content[at:at] = random.choice(WORDS)
    return bytes(content)


def mutate_text(data: bytes, random: Random) -> bytes:
    """A json as text: tokens put in, taken out or exchanged, keys doubled, else its bytes."""
    if random.random() < 0.3:
        return mutate_bytes(data, random)
    content = bytearray(data)
    for _ in range(random.choice((1, 1, 2, 3))):
        at = random.randrange(len(content) + 1)
        end = at + random.choice((0, 1, 2, 8))
        content[at:end] = random.choice(TOKENS)
    return bytes(content)


def mutate_json(value: Any, random: Random) -> bytes:
    """The json with one to three values, lists or objects changed; sometimes also its text."""
    value = copy.deepcopy(value)
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        value = mutate_value(value, random)
    text = json.dumps(value).encode()
    return mutate_text(text, random) if random.random() < 0.15 else text


def mutate_value(value: Any, random: Random) -> Any:
    """One change of a json's value, anywhere in it."""
    parent, key, node = None, None, value
    while isinstance(node, (dict, list)) and node and (parent is None or random.random() < 0.85):
        parent, key = node, random.choice(list(node) if isinstance(node, dict) else range(len(node)))
        node = parent[key]
    if parent is None or random.random() < 0.02:
        return copy.deepcopy(random.choice(VALUES))
    match random.randrange(9):
        case 0:
            del parent[key]
        case 1 if isinstance(parent, list):
            parent.insert(key, copy.deepcopy(random.choice([*parent, *VALUES[:12]])))
        case 2 if isinstance(parent, dict):
            other = random.choice(list(parent))
            parent[key], parent[other] = parent[other], parent[key]
        case 3 if isinstance(node, (int, float)) and not isinstance(node, bool) and abs(node) < 1e200:
            parent[key] = random.choice((node + 1, -node, node * 1e9, float(node), str(node), [node]))
        case 4 if isinstance(node, list):
            parent[key] = node * random.choice((0, 2, 30))
        case 5 if isinstance(parent, dict):
            parent[random.choice([*parent, "x", "../x", "é", "__class__", "type"])] = parent.pop(key)
        case 6:
            parent[key] = copy.deepcopy(_anywhere(value, random))
        case _:
            parent[key] = copy.deepcopy(random.choice(VALUES))
    return value


def _anywhere(value: Any, random: Random) -> Any:
    """A part of a json's value."""
    while isinstance(value, (dict, list)) and value and random.random() < 0.8:
        value = random.choice(list(value.values()) if isinstance(value, dict) else value)
    return value
