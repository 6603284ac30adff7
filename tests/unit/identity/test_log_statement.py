"""Signed roots: read back only when one of our keys signed them, found again in their folder."""

from datetime import UTC, datetime
from pathlib import Path

import orjson
import pytest
from joserfc.jwk import OKPKey

from services.identity.domain.log_chain import Root
from services.identity.methods.log_statement import RootFolder, RootKeys

NOW = datetime(2025, 3, 1, 12, 0, 0, 7, tzinfo=UTC)
TENANT = "0190c0f0-0000-7000-8000-000000000001"


def key() -> OKPKey:
    """A new key."""
    return OKPKey.generate_key("Ed25519", {"use": "sig", "alg": "Ed25519"}, auto_kid=True)


def root(first: int, last: int) -> Root:
    """A root over these entries."""
    return Root(TENANT, first, last, "a" * 64, "b" * 64, "c" * 64, NOW)


def test_statement_is_read_by_old_and_new_keys_alike() -> None:
    old, new = key(), key()
    signed = RootKeys([old]).sign(root(1, 9), NOW)
    assert RootKeys([new, old]).read(signed) == root(1, 9)
    assert RootKeys([new]).read(signed) is None
    public = orjson.loads(RootKeys([new, old]).public())["keys"]
    assert [one["kid"] for one in public] == [new.kid, old.kid]
    assert not [one for one in public if "d" in one]


@pytest.mark.parametrize("wrong", ["", "x", "a.b.c", "..", "é", "eyJhbGciOiJub25lIn0.e30."])
def test_what_is_no_statement_is_read_as_none(wrong: str) -> None:
    assert RootKeys([key()]).read(wrong) is None


def test_changed_statement_is_read_as_none() -> None:
    keys = RootKeys([key()])
    header, payload, signature = keys.sign(root(1, 9), NOW).split(".")
    other = keys.sign(root(1, 10), NOW).split(".")
    assert keys.read(f"{header}.{other[1]}.{signature}") is None
    assert keys.read(f"{header}.{payload}.{other[2]}") is None
    assert keys.read(f"{header}.{payload}.{signature}") == root(1, 9)


def test_folder_keeps_a_file_per_tenant_and_month(tmp_path: Path) -> None:
    folder = RootFolder(tmp_path)
    assert folder.read(TENANT, ("", "9999"), 0) == []
    for first, month in ((1, 1), (11, 1), (21, 2), (31, 3)):
        one = root(first, first + 9)
        folder.append(one, f"statement-{first}", NOW.replace(month=month))
    with (tmp_path / TENANT / "2025-02").open("a") as torn:
        torn.write("\n41 5")
    folder.append(root(51, 60), "statement-51", NOW.replace(month=2))
    everything = folder.read(TENANT, ("", "9999"), 0)
    assert [one for one in everything if one] == [
        "statement-1", "statement-11", "statement-21", "statement-51", "statement-31",
    ]  # fmt: skip
    assert folder.read(TENANT, ("2025-02", "2025-02"), 21) == ["", "statement-51"]
    assert folder.read("another", ("", "9999"), 0) == []
