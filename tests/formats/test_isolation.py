"""Files are read in another process: the same models, the same refusals, and nothing worse."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from rigline.errors import ContractViolation, InvalidInput
from rigline.formats import Limits, read_model
from rigline.formats import isolation as isolated
from rigline.formats.isolation import Isolation, read_isolated, warm_reader
from tests.support.bodies import box_body
from tests.support.glb_files import plain_glb, skinned_glb, textured_glb

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="children are forked on POSIX")

BODY = box_body(1)
FAULTS = """
import os, time
from rigline.formats import model_reader

def faulty(data, name, limits):
    if name == "crash":
        os.kill(os.getpid(), 11)
    if name == "print":
        os.write(1, b"x" * 100)
    if name == "loop":
        while True:
            pass
    if name == "sleep":
        time.sleep(1000)
    if name == "eat":
        kept = bytearray(1 << 40)
    if name == "fault":
        raise ZeroDivisionError("a fault")
    if name == "open":
        path = os.path.join(os.path.dirname(__file__), "written")
        os.write(os.open(path, os.O_CREAT | os.O_WRONLY), b"x" * 100)
    if name == "leave":
        os._exit(3)
    return found(data, name, limits)

found, model_reader.read_model = model_reader.read_model, faulty
"""


@pytest.fixture
def faulty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A server of its own whose reader misbehaves for certain names of files."""
    (tmp_path / "sitecustomize.py").write_text(FAULTS)
    root = str(Path(__file__).parents[2])
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), root]))
    server = isolated._Server()
    monkeypatch.setattr(isolated, "_SERVER", server)
    yield
    server.close()


@pytest.mark.parametrize("write", [plain_glb, textured_glb, skinned_glb])
def test_the_model_is_the_same(write: object) -> None:
    data = write(BODY)  # type: ignore[operator]
    assert read_isolated(data, "a.glb").to_bytes() == read_model(data, "a.glb").to_bytes()


@pytest.mark.parametrize("data", [b"", b"glTF", b"x" * 100, plain_glb(BODY)[:-9]])
def test_refusals_are_the_same(data: bytes) -> None:
    with pytest.raises(InvalidInput) as here:
        read_model(data, "bad \udc80.glb")
    with pytest.raises(InvalidInput) as there:
        read_isolated(data, "bad \udc80.glb")
    assert str(there.value) == str(here.value)
    assert there.value.fields == here.value.fields


def test_limits_hold() -> None:
    with pytest.raises(InvalidInput, match="more than"):
        read_isolated(plain_glb(BODY), limits=Limits(max_vertices=10))
    with pytest.raises(InvalidInput, match="at most"):
        read_isolated(plain_glb(BODY), limits=Limits(max_bytes=10))


def test_memory_is_limited() -> None:
    """A megabyte is too little for the model, whatever the readers have loaded."""
    small = Isolation(memory_bytes=1 << 16)
    with pytest.raises(InvalidInput, match="MiB"):
        read_isolated(plain_glb(box_body(40)), isolation=small)


@pytest.mark.usefixtures("faulty")
@pytest.mark.parametrize(
    ("name", "words"),
    [("crash", "crash"), ("leave", "crash"), ("eat", "MiB"), ("sleep", "takes more than 1 s"),
     ("loop", "takes more than 1 s")],
)  # fmt: skip
def test_a_reader_that_misbehaves_is_the_files_fault_and_the_next_is_read(
    name: str, words: str
) -> None:
    with pytest.raises(InvalidInput, match=words) as refused:
        read_isolated(plain_glb(BODY), name, isolation=Isolation(seconds=1.0))
    assert refused.value.remedy
    assert len(read_isolated(plain_glb(BODY), "good").mesh.faces) == len(BODY.faces)


@pytest.mark.usefixtures("faulty")
def test_a_fault_of_the_reader_is_ours() -> None:
    with pytest.raises(ContractViolation, match="ZeroDivisionError: a fault"):
        read_isolated(plain_glb(BODY), "fault")


@pytest.mark.usefixtures("faulty")
def test_what_is_printed_does_not_get_among_the_answers() -> None:
    assert len(read_isolated(plain_glb(BODY), "print").mesh.faces) == len(BODY.faces)


@pytest.mark.usefixtures("faulty")
def test_a_reader_can_write_nothing_into_files(tmp_path: Path) -> None:
    with pytest.raises(ContractViolation, match="OSError"):
        read_isolated(plain_glb(BODY), "open")
    assert (tmp_path / "written").read_bytes() == b""


@pytest.mark.usefixtures("faulty")
def test_a_server_that_is_gone_is_replaced() -> None:
    read_isolated(plain_glb(BODY), "good")
    process = isolated._SERVER._process
    assert process is not None
    process.kill()
    process.wait()
    assert read_isolated(plain_glb(BODY), "good")
    assert isolated._SERVER._process is not process


def test_one_server_reads_many_files_and_warming_it_is_harmless() -> None:
    warm_reader()
    read_isolated(plain_glb(BODY))
    first = isolated._SERVER._process
    warm_reader()
    read_isolated(plain_glb(BODY))
    assert isolated._SERVER._process is first
