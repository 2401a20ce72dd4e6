"""A thousand damaged and hostile files: each is read whole or refused, and nothing else happens."""

from __future__ import annotations

import base64
import json
import multiprocessing
import re
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from rigline.errors import InvalidInput
from rigline.formats import Limits, SourceModel, read_model
from tests.support.bodies import box_body
from tests.support.glb_files import (
    arranged_glb,
    coloured_glb,
    gltf_text,
    mirrored_glb,
    obj_text,
    packed,
    plain_glb,
    skinned_glb,
    split_glb,
    textured_glb,
    unpacked,
)
from tests.support.scan_files import ply_file, stl_file

resource = pytest.importorskip("resource", reason="memory can be measured on POSIX alone")

COUNT = 1000
SEED = 20260
ADDRESS_SPACE = 8 * 2**30
MOST_MEMORY = 2 * 2**30
HOSTILE: tuple[Any, ...] = (
    *(-1, 0, 1, 2, 3, 255, 65536, 2**31 - 1, 2**32, 2**53, 2**53 + 1, 2**64, 10**400),
    *(0.5, 1e308, -1e308, float("nan"), float("inf"), True, None),
    *("", "VEC3", "\ud800", "x" * 10_000, [], {}, [[]], [{}], [0] * 16, [-1], [1e300] * 4),
    *({"index": 0}, {"extensions": []}, {"extensions": {"KHR_texture_transform": 3}}),
)
OUTSIDE = (
    *("file:///etc/passwd", "/etc/passwd", "../../secret.bin", "http://localhost:9/a.bin"),
    *("https://example.org/a.png", "data:", "data:,", "data:;base64,####", "data:;base64,AAAA"),
)
COUNTS = ("count", "byteLength", "byteOffset", "byteStride", "bufferView", "buffer")
WORDS = (
    *(b"nan", b"inf", b"-inf", b"1e999", b"1e300", b"-1", b"0", b"999999999", b"9" * 5000),
    *(b"1/2/3/4", b"//", b"-99999", b"\xff\xfe", b"\0", b"f", b"v", b"", b"0x10", b"1_0"),
)
Mutation = Callable[[bytes, np.random.Generator], bytes]


@dataclass(frozen=True)
class Outcome:
    """What came of all mutations: counts, failures in words, and the most memory in bytes."""

    counts: dict[str, int]
    failures: list[str]
    opened: list[str]
    memory: int


def seeds() -> dict[str, bytes]:
    """The files before the damage."""
    body = box_body(1)
    binary = {
        write.__name__: write(body)
        for write in (
            plain_glb,
            textured_glb,
            coloured_glb,
            split_glb,
            skinned_glb,
            arranged_glb,
            mirrored_glb,
        )
    }
    text = {f"{name} as gltf": gltf_text(binary[name]) for name in ("split_glb", "skinned_glb")}
    scans = {
        "ply as text": ply_file(body, "ascii"),
        "ply": ply_file(body),
        "stl as text": stl_file(body, text=True),
        "stl": stl_file(body),
    }
    return {**binary, **text, **scans, "obj": obj_text(body)}


def truncated(data: bytes, rng: np.random.Generator) -> bytes:
    return data[: rng.integers(len(data))]


def with_flipped_bits(data: bytes, rng: np.random.Generator) -> bytes:
    out = bytearray(data)
    # Half of the flips go into the head, where the structure is.
    reach = len(out) if rng.random() < 0.5 else min(len(out), 200)
    for position in rng.integers(reach, size=rng.integers(1, 17)):
        out[position] ^= 1 << int(rng.integers(8))
    return bytes(out)


def overwritten(data: bytes, rng: np.random.Generator) -> bytes:
    start = int(rng.integers(len(data)))
    run = rng.integers(0, 256, int(rng.integers(1, 65)), np.uint8).tobytes()
    return data[:start] + run + data[start + len(run) :]


def with_a_piece_missing(data: bytes, rng: np.random.Generator) -> bytes:
    start, stop = sorted(rng.integers(len(data), size=2).tolist())
    return data[:start] + data[stop:]


def with_no_numbers(data: bytes, rng: np.random.Generator) -> bytes:
    """NaN, infinity or the largest float over some of the binary's values."""
    document, binary = opened(data)
    floats = np.frombuffer(binary[: len(binary) // 4 * 4], "<f4").copy()
    where = rng.integers(len(floats), size=rng.integers(1, 50))
    floats[where] = rng.choice([np.nan, np.inf, -np.inf, np.finfo(np.float32).max], len(where))
    damaged = packed(document, floats.tobytes())
    return damaged if data.startswith(b"glTF") else gltf_text(damaged)


def with_a_hostile_value(data: bytes, rng: np.random.Generator) -> bytes:
    document, binary = opened(data)
    for _ in range(rng.integers(1, 4)):
        places = list(leaves(document))
        holder, key = places[rng.integers(len(places))]
        holder[key] = HOSTILE[rng.integers(len(HOSTILE))]
    return closed(data, document, binary)


def with_a_value_missing(data: bytes, rng: np.random.Generator) -> bytes:
    document, binary = opened(data)
    places = list(leaves(document))
    holder, key = places[rng.integers(len(places))]
    del holder[key]
    return closed(data, document, binary)


def with_huge_counts(data: bytes, rng: np.random.Generator) -> bytes:
    document, binary = opened(data)
    places = [(holder, key) for holder, key in leaves(document) if key in COUNTS]
    for k in rng.integers(len(places), size=rng.integers(1, 6)):
        holder, key = places[k]
        holder[key] = int(rng.choice([10**5, 10**7, 2**31, 2**32 - 1, 2**53, 2**62]))
        if rng.random() < 0.5:
            holder.pop("bufferView", None)
    return closed(data, document, binary)


def pointing_outside(data: bytes, rng: np.random.Generator) -> bytes:
    document, binary = opened(data)
    uri = OUTSIDE[rng.integers(len(OUTSIDE))]
    holders = [*document.get("buffers", []), *document.get("images", [])]
    holder = holders[rng.integers(len(holders))]
    holder.pop("bufferView", None)
    holder["uri"] = uri
    return closed(data, document, binary)


def with_tangled_nodes(data: bytes, rng: np.random.Generator) -> bytes:
    """Cycles, second parents, chains that are too deep, and transforms that overflow."""
    document, binary = opened(data)
    nodes = document["nodes"]
    kind = rng.integers(4)
    if kind == 0:
        nodes[rng.integers(len(nodes))]["children"] = [int(rng.integers(len(nodes)))]
    elif kind == 1:
        first = len(nodes)
        nodes += [{"children": [first + k + 1]} for k in range(int(rng.integers(50, 5000)))]
        nodes.append({"mesh": 0})
        document["scenes"][0]["nodes"] = [first]
    elif kind == 2:
        nodes[rng.integers(len(nodes))]["scale"] = [10.0 ** int(rng.integers(-320, 300))] * 3
    else:
        document["scenes"][0]["nodes"] = rng.integers(len(nodes) + 1, size=3).tolist()
    return closed(data, document, binary)


def deeply_nested(data: bytes, rng: np.random.Generator) -> bytes:
    document, binary = opened(data)
    depth = int(rng.choice([70, 500, 900, 5000, 200_000]))
    left, right = (b"[", b"]") if rng.random() < 0.5 else (b'{"a":', b"}")
    holder = [*document.get("materials", []), document][0]
    holder["extras"] = "HERE"
    text = json.dumps(document).encode().replace(b'"HERE"', left * depth + b"0" + right * depth)
    return packed(text, binary) if data.startswith(b"glTF") else text


def with_bad_words(data: bytes, rng: np.random.Generator) -> bytes:
    """Words of some lines replaced, doubled or taken away."""
    lines = data.split(b"\n")
    for k in rng.integers(len(lines), size=rng.integers(1, 6)):
        words = lines[k].split(b" ")
        words[rng.integers(len(words))] = WORDS[rng.integers(len(WORDS))]
        lines[k] = b" ".join(words * int(rng.integers(1, 3)))
    return b"\n".join(lines)


def nothing(data: bytes, rng: np.random.Generator) -> bytes:
    return b" " * int(rng.integers(3))


BYTES: tuple[Mutation, ...] = (truncated, with_flipped_bits, overwritten, with_a_piece_missing)
JSON: tuple[Mutation, ...] = (
    with_no_numbers,
    with_a_hostile_value,
    with_a_hostile_value,
    with_a_hostile_value,
    with_a_value_missing,
    with_huge_counts,
    pointing_outside,
    with_tangled_nodes,
    deeply_nested,
)
WORDY: tuple[Mutation, ...] = (with_bad_words, with_bad_words, nothing)


def is_gltf(data: bytes) -> bool:
    return data.startswith((b"glTF", b"{"))


def opened(data: bytes) -> tuple[dict[str, Any], bytes]:
    """Document and binary of either form."""
    if data.startswith(b"glTF"):
        return unpacked(data)
    document = json.loads(data)
    return document, base64.b64decode(document["buffers"][0]["uri"].partition(",")[2])


def closed(data: bytes, document: dict[str, Any], binary: bytes) -> bytes:
    """The document in the form that ``data`` had; JSON brings its buffers in itself."""
    return packed(document, binary) if data.startswith(b"glTF") else json.dumps(document).encode()


def leaves(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every place in nested JSON, as its holder and key."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, below in list(items):
        yield value, key
        if isinstance(below, (dict, list)):
            yield from leaves(below)


def mutations() -> Iterator[tuple[str, bytes]]:
    """``COUNT`` files, each with a name that finds it again; files and mutations take turns."""
    files = list(seeds().items())
    for number in range(COUNT):
        rng = np.random.default_rng([SEED, number])
        name, data = files[number % len(files)]
        kinds = BYTES + (JSON if is_gltf(data) else WORDY)
        mutate = kinds[number // len(files) % len(kinds)]
        yield f"#{number} {name} {mutate.__name__}", mutate(data, rng)


def fault(model: SourceModel) -> str:
    """What is wrong with a model that was read; empty when nothing is."""
    mesh = model.mesh
    if not np.isfinite(mesh.vertices).all():
        return "vertices that are not finite"
    if mesh.faces.min() < 0 or mesh.faces.max() >= len(mesh.vertices):
        return "triangles beyond the vertices"
    arrays = (model.normals, model.uvs, model.colors)
    if not all(array is None or np.isfinite(array).all() for array in arrays):
        return "attributes that are not finite"
    stored = model.to_bytes()
    return "" if SourceModel.from_bytes(stored).to_bytes() == stored else "another model stored"


def read_all() -> Outcome:
    """Read every mutation in this process, which must not open files or sockets meanwhile."""
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    files = list(mutations())
    for data in seeds().values():
        assert not fault(read_model(data))
    watch, opened_names = [False], list[str]()

    def note(event: str, arguments: tuple[Any, ...]) -> None:
        if not watch[0] or not (event == "open" or event.startswith(("socket.", "subprocess."))):
            return
        # Python itself may still load a module or show the line of a warning.
        if not re.search(r"\.(py|pyc|so)$", str(arguments[0])):
            opened_names.append(f"{event} {arguments[0]!r}")

    sys.addaudithook(note)
    counts: Counter[str] = Counter()
    failures = []
    watch[0] = True
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name, data in files:
            try:
                wrong = fault(read_model(data, name))
                counts["read"] += 1
            except InvalidInput as refusal:
                wrong = "" if refusal.message.strip() else "a refusal without a message"
                counts["refused"] += 1
            except BaseException as error:
                wrong = f"{type(error).__name__}: {error}"[:300]
            if wrong:
                failures.append(f"{name}: {wrong}")
    watch[0] = False
    unit = 1 if sys.platform == "darwin" else 1024
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    return Outcome(dict(counts), failures, opened_names, memory)


@pytest.fixture(scope="module")
def outcome() -> Iterator[Outcome]:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        yield pool.apply_async(read_all).get(timeout=110)


@pytest.mark.timeout(120)
def test_every_mutation_is_read_whole_or_refused_with_a_message(outcome: Outcome) -> None:
    assert outcome.failures == []
    assert sum(outcome.counts.values()) == COUNT


def test_both_ends_are_met_often_enough_to_mean_something(outcome: Outcome) -> None:
    assert outcome.counts["refused"] > COUNT / 3
    assert outcome.counts["read"] > COUNT / 20


def test_nothing_outside_the_bytes_is_opened(outcome: Outcome) -> None:
    assert outcome.opened == []


def test_memory_stays_bounded(outcome: Outcome) -> None:
    assert outcome.memory < MOST_MEMORY


def test_mutations_are_the_same_every_time() -> None:
    first, second = (dict(mutations()) for _ in range(2))
    assert first == second
    assert len(first) == COUNT
    assert max(map(len, first.values())) < Limits().max_bytes
