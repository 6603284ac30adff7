"""Files are packed as they were and put in place whole."""

import io
import tarfile
from pathlib import Path

import pytest

from deploy.backup.errors import DamagedError
from deploy.backup.folders import COMING, listing, pack, replace, unpack
from deploy.backup.sealed import SealedWriter, opened

KEY = bytes(32)


def write(root: Path, **texts: str) -> None:
    """Files by path, with "__" for a slash."""
    for name, text in texts.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def contents(root: Path) -> dict[str, str]:
    """Texts by path."""
    return {
        str(path.relative_to(root)): path.read_text() for path in root.rglob("*") if path.is_file()
    }


def packed(root: Path, files: dict[Path, int], path: Path) -> list[bytes]:
    """What an archive of the files opens to."""
    with SealedWriter(path, KEY, "files") as into:
        pack(root, files, into)
    return list(opened(path, KEY, "files"))


def test_files_come_back_as_long_as_they_were(tmp_path: Path) -> None:
    root, into = tmp_path / "root", tmp_path / "into"
    write(root, a__first="1234", a__gone="x", log="line\n", a__half=".")
    (root / "a/half").rename(root / "a/half.part")
    write(root, **{"before-20260101T000000Z__old": "old", "restoring__new": "new"})
    files = listing(root)
    (root / "a/gone").unlink()
    with (root / "log").open("a") as file:
        file.write("added later\n")
    into.mkdir()
    unpack(packed(root, files, tmp_path / "sealed"), into)
    assert contents(into) == {"a/first": "1234", "log": "line\n"}


def test_missing_folder_is_an_empty_one(tmp_path: Path) -> None:
    files = listing(tmp_path / "none")
    assert files == {}
    unpack(packed(tmp_path / "none", files, tmp_path / "sealed"), None)


def test_what_was_there_is_put_aside(tmp_path: Path) -> None:
    write(tmp_path, a__x="old", c="old", **{f"{COMING}__a__x": "new", f"{COMING}__b": "new"})
    replace(tmp_path, "now")
    assert contents(tmp_path) == {
        "a/x": "new", "b": "new", "before-now/a/x": "old", "before-now/c": "old",
    }  # fmt: skip
    (tmp_path / COMING).mkdir()
    replace(tmp_path, "later")
    assert contents(tmp_path)["before-later/b"] == "new"
    assert contents(tmp_path)["before-now/c"] == "old"
    assert (tmp_path / "a").is_dir(), "somebody may have it mounted"
    assert not (tmp_path / "b").exists()


@pytest.mark.parametrize("name", ["../out", "/out"])
def test_archive_cannot_write_elsewhere(tmp_path: Path, name: str) -> None:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w|") as archive:
        entry = tarfile.TarInfo(name)
        entry.size = 1
        archive.addfile(entry, io.BytesIO(b"x"))
    into = tmp_path / "a" / "b"
    into.mkdir(parents=True)
    if name.startswith("/"):
        unpack([data.getvalue()], into)  # the slash goes
        assert contents(into) == {"out": "x"}
    else:
        with pytest.raises(DamagedError):
            unpack([data.getvalue()], into)
        assert contents(tmp_path) == {}


def test_no_archive_is_damage() -> None:
    with pytest.raises(DamagedError, match="cannot be read"):
        unpack([b"no archive at all" * 100], None)
