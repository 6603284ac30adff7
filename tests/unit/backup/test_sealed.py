"""Sealed files open only whole, unchanged, with their key and in their place."""

import random
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.backup import sealed
from deploy.backup.errors import DamagedError
from deploy.backup.sealed import SealedWriter, file_digest, opened

KEY = bytes(range(32))
CHUNK = 64
NAME = "crm backup x sales.dump"
HEAD = len(sealed.MAGIC) + sealed.SALT_BYTES


@pytest.fixture(autouse=True, scope="module")
def _small_chunks() -> Iterator[None]:
    """Chunks of 64 bytes make many in little data."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sealed, "CHUNK_BYTES", CHUNK)
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sealed")


def seal(path: Path, data: bytes, pieces: int = 1) -> SealedWriter:
    """Write data in about so many pieces."""
    path.unlink(missing_ok=True)
    with SealedWriter(path, KEY, NAME) as into:
        step = max(1, len(data) // pieces)
        for at in range(0, len(data), step):
            into.write(data[at : at + step])
    return into


def read(path: Path, key: bytes = KEY, name: str = NAME) -> bytes:
    return b"".join(opened(path, key, name))


@given(data=st.binary(max_size=5 * CHUNK), pieces=st.integers(1, 9))
def test_what_was_sealed_is_opened(folder: Path, data: bytes, pieces: int) -> None:
    path = folder / "round"
    into = seal(path, data, pieces)
    assert read(path) == data
    assert (into.plain_bytes, into.bytes) == (len(data), path.stat().st_size)
    with path.open("rb") as file:
        assert file_digest(file) == into.digest


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK])
def test_every_changed_byte_and_every_cut_is_noticed(folder: Path, size: int) -> None:
    path = folder / "damaged"
    seal(path, random.Random(size).randbytes(size))
    whole = path.read_bytes()
    for at in range(len(whole)):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        with pytest.raises(DamagedError):
            read(path)
        path.write_bytes(whole[:at])
        with pytest.raises(DamagedError):
            read(path)
    path.write_bytes(whole + b"\0")
    with pytest.raises(DamagedError):
        read(path)


def test_chunks_cannot_change_places_or_be_repeated(folder: Path) -> None:
    path = folder / "moved"
    seal(path, bytes(4 * CHUNK))
    whole, step = path.read_bytes(), CHUNK + sealed.TAG_BYTES
    head, chunks = whole[:HEAD], [whole[at : at + step] for at in range(HEAD, len(whole), step)]
    for order in ([1, 0, 2, 3], [0, 0, 1, 2, 3], [0, 2, 3], [0, 1, 2], [3]):
        path.write_bytes(head + b"".join(chunks[at] for at in order))
        with pytest.raises(DamagedError):
            read(path)


def test_another_key_or_place_does_not_open_it(folder: Path) -> None:
    path = folder / "foreign"
    seal(path, b"of this backup")
    with pytest.raises(DamagedError):
        read(path, key=bytes(32))
    with pytest.raises(DamagedError):
        read(path, name="crm backup y sales.dump")


def test_the_same_content_never_looks_the_same(folder: Path) -> None:
    first, second = folder / "first", folder / "second"
    assert seal(first, b"again").digest != seal(second, b"again").digest


def test_what_broke_off_cannot_be_opened(folder: Path) -> None:
    path = folder / "broken-off"
    with suppress(KeyboardInterrupt), SealedWriter(path, KEY, NAME) as into:
        into.write(bytes(3 * CHUNK))
        raise KeyboardInterrupt
    with pytest.raises(DamagedError):
        read(path)
