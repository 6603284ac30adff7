"""Manifests that prove themselves, and which backups stay."""

import os
from base64 import b64encode
from datetime import UTC, datetime
from pathlib import Path

import pytest

from deploy.backup.errors import BackupError, DamagedError
from deploy.backup.manifest import (
    FORMAT,
    MANIFEST,
    SIGNATURE,
    Manifest,
    Part,
    key_id,
    note_verified,
    proven_manifest,
    read_manifest,
    verified,
    write_manifest,
)
from deploy.backup.settings import is_told, read_installation
from deploy.backup.store import backups, find, moment_of, new_id, prune
from deploy.backup.watch import newest

KEY, OTHER = bytes(range(32)), bytes(32)
ENVIRONMENT = {
    **{f"{name}_DATABASE_URL": f"postgresql://{name}@db/{name}" for name in (
        "IDENTITY", "CUSTOMER", "SALES", "MARKETING", "REPORTING",
    )},
    "NATS_URL": "nats://bus", "BLOB_DIR": "blobs", "LOG_ROOT_DIR": "roots",
    "BACKUP_DIR": "backups", "BACKUP_KEY": b64encode(KEY).decode(),
}  # fmt: skip


def backup(store: Path, day: int, key: bytes = KEY) -> Path:
    """A backup of a day without parts on the disk."""
    moment = datetime(2026, 11, day, 3, tzinfo=UTC)
    folder = store / new_id(moment)
    folder.mkdir()
    part = Part("sales.dump", 10, 8, "00")
    manifest = Manifest(
        FORMAT, folder.name, moment, "7:7:", {"sales": "0002"}, "18.6", key_id(key), (part,)
    )
    write_manifest(folder, manifest, key)
    return folder


def test_manifest_is_what_was_written(tmp_path: Path) -> None:
    folder = backup(tmp_path, 1)
    assert proven_manifest(folder, KEY) == read_manifest(folder)
    assert proven_manifest(folder, KEY).bytes == 10


def test_manifest_of_another_key_is_told_apart(tmp_path: Path) -> None:
    with pytest.raises(BackupError, match=f"{key_id(OTHER)}, BACKUP_KEY is {key_id(KEY)}"):
        proven_manifest(backup(tmp_path, 1, OTHER), KEY)


def test_changed_manifest_is_refused(tmp_path: Path) -> None:
    folder = backup(tmp_path, 1)
    path = folder / MANIFEST
    path.write_text(path.read_text().replace('"0002"', '"0001"'))
    with pytest.raises(DamagedError, match="was changed"):
        proven_manifest(folder, KEY)


def test_renamed_or_unsigned_backup_is_refused(tmp_path: Path) -> None:
    folder = backup(tmp_path, 1).rename(tmp_path / "20261231T000000Z")
    with pytest.raises(DamagedError, match="was changed"):
        proven_manifest(folder, KEY)
    (folder / SIGNATURE).unlink()
    with pytest.raises(DamagedError, match="no signature"):
        proven_manifest(folder, KEY)
    (folder / MANIFEST).unlink()
    with pytest.raises(DamagedError, match="no readable manifest"):
        proven_manifest(folder, KEY)


def test_newest_backups_stay_and_the_last_good_one(tmp_path: Path) -> None:
    folders = [backup(tmp_path, day) for day in range(1, 6)]
    note_verified(folders[0])
    note_verified(folders[1])
    note_verified(folders[4], "sales.dump was changed")
    assert [one.name for one in backups(tmp_path)] == [one.name for one in reversed(folders)]
    assert set(prune(tmp_path, 2)) == {folders[0].name, folders[2].name}
    assert backups(tmp_path) == [folders[4], folders[3], folders[1]]


def test_only_old_unfinished_ones_go(tmp_path: Path) -> None:
    for name in ("20261101T030000Z.unfinished", "20261102T030000Z.unfinished"):
        (tmp_path / name).mkdir()
    os.utime(tmp_path / "20261101T030000Z.unfinished", (0, 0))
    assert prune(tmp_path, 1) == ["20261101T030000Z.unfinished"]
    assert backups(tmp_path) == []


def test_backups_are_found_by_id_and_as_latest(tmp_path: Path) -> None:
    first, second = backup(tmp_path, 1), backup(tmp_path, 2)
    assert find(tmp_path, first.name) == first
    assert find(tmp_path, "latest") == second
    with pytest.raises(BackupError, match="has no backup 2026"):
        find(tmp_path, "2026")
    with pytest.raises(BackupError, match="it has 0"):
        find(tmp_path / "none", "latest")


def test_verification_is_remembered(tmp_path: Path) -> None:
    folder = backup(tmp_path, 1)
    assert verified(folder) is None
    note_verified(folder, "cut")
    known = verified(folder)
    assert known is not None
    assert known.problem == "cut"


def test_installation_comes_from_the_environment_alone(tmp_path: Path) -> None:
    assert is_told(ENVIRONMENT)
    assert not is_told({"NATS_URL": "nats://bus"})
    found = read_installation({**ENVIRONMENT, "BACKUP_KEEP": "3"})
    assert (found.key, found.keep) == (KEY, 3)
    assert found.databases["sales"] == "postgresql://SALES@db/SALES"
    file = tmp_path / "key"
    file.write_text(b64encode(OTHER).decode() + "\n")
    assert read_installation({**ENVIRONMENT, "BACKUP_KEY_FILE": str(file)}).key == OTHER


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("BACKUP_KEY", ""), ("BACKUP_KEY", "short"), ("BACKUP_KEY", b64encode(b"short").decode()),
        ("BACKUP_KEY_FILE", "no-such-file"), ("BACKUP_KEEP", "0"), ("SALES_DATABASE_URL", ""),
    ],
)  # fmt: skip
def test_wrong_environment_is_refused(name: str, value: str) -> None:
    with pytest.raises(BackupError):
        read_installation({**ENVIRONMENT, name: value})


def test_only_what_was_found_good_counts_as_newest(tmp_path: Path) -> None:
    assert newest(tmp_path / "none") == 0
    good, damaged, unread = (backup(tmp_path, day) for day in (20, 21, 22))
    note_verified(good)
    note_verified(damaged, "is damaged or cut")
    assert newest(tmp_path) == moment_of(good).timestamp()
    note_verified(unread)
    assert newest(tmp_path) == datetime(2026, 11, 22, 3, tzinfo=UTC).timestamp()
