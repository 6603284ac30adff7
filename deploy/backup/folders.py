"""Files outside the databases: packed as they are at a moment, put in place by moves."""

import io
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

from deploy.backup.errors import DamagedError
from deploy.backup.sealed import CHUNK_BYTES, SealedWriter
from deploy.backup.settings import ASIDE

UNFINISHED: Final = ".part"
COMING: Final = "restoring"


def listing(root: Path) -> dict[Path, int]:
    """The files below a folder with their sizes, without unfinished ones and those put aside."""
    found: dict[Path, int] = {}
    for path in sorted(root.rglob("*")):
        top = path.relative_to(root).parts[0]
        if top.startswith(ASIDE) or top == COMING or path.suffix == UNFINISHED:
            continue
        try:
            if path.is_file() and not path.is_symlink():
                found[path] = path.stat().st_size
        except FileNotFoundError:
            continue  # its time was over
    return found


def pack(root: Path, files: Mapping[Path, int], into: SealedWriter) -> None:
    """Write the beginnings of files, as long as they were; what is gone by now is left out."""
    with tarfile.open(fileobj=into, mode="w|", bufsize=CHUNK_BYTES) as archive:  # type: ignore[call-overload]  # it only writes
        for path, size in files.items():
            try:
                file = path.open("rb")
            except FileNotFoundError:
                continue
            with file:
                entry = archive.gettarinfo(arcname=str(path.relative_to(root)), fileobj=file)
                entry.size = size
                archive.addfile(entry, file)


def unpack(archive: Iterable[bytes], into: Path | None) -> None:
    """Write the files of an archive into a folder, or only read them; DamagedError if it cannot."""
    chunks = iter(archive)
    try:
        with tarfile.open(fileobj=_Reader(chunks), mode="r|") as found:
            if into is None:
                found.getmembers()
            else:
                found.extractall(into, filter="data")
        for _ in chunks:
            pass  # the last ones are proven too
    except tarfile.TarError as error:
        raise DamagedError(f"An archive of files cannot be read: {error}") from error


def replace(root: Path, aside: str) -> None:
    """Move what lies in a folder aside and what was unpacked into its place; a folder in it that
    has nothing in the backup is there again all the same, since a process may have it mounted.
    """
    old = [path for path in root.iterdir() if path.name != COMING]
    old = [path for path in old if not path.name.startswith(ASIDE)]
    if old:
        (root / f"{ASIDE}{aside}").mkdir(exist_ok=True)
    for path in old:
        path.rename(root / f"{ASIDE}{aside}" / path.name)
    for path in (root / COMING).iterdir():
        path.rename(root / path.name)
    (root / COMING).rmdir()
    for path in old:
        if (root / f"{ASIDE}{aside}" / path.name).is_dir():
            path.mkdir(exist_ok=True)


class _Reader(io.RawIOBase):
    """Chunks as a file that is read from start to end."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._waiting = b""

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        """At most `size` bytes; none at the end."""
        while not self._waiting:
            try:
                self._waiting = next(self._chunks)
            except StopIteration:
                return b""
        end = len(self._waiting) if size < 0 else size
        data, self._waiting = self._waiting[:end], self._waiting[end:]
        return data
