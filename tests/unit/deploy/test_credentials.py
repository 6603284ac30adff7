"""Secrets are made once, kept private and completed."""

import json
import stat
from pathlib import Path

from joserfc.jwk import OKPKey

from deploy.local.credentials import load_secrets


def test_secrets_are_private_and_stable(tmp_path: Path) -> None:
    path = tmp_path / "secrets.json"
    first = load_secrets(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert load_secrets(path) == first
    assert len(set(first.database_passwords.values())) == len(first.database_passwords)


def test_missing_secret_is_added_and_others_stay(tmp_path: Path) -> None:
    path = tmp_path / "secrets.json"
    first = load_secrets(path)
    stored = json.loads(path.read_text())
    del stored["service_secrets"]["sales"]
    path.write_text(json.dumps(stored))
    second = load_secrets(path)
    assert second.service_secrets["sales"] not in {"", first.service_secrets["sales"]}
    assert second.service_secrets["identity"] == first.service_secrets["identity"]


def test_signing_key_is_an_ed25519_key_with_an_id(tmp_path: Path) -> None:
    (key,) = load_secrets(tmp_path / "secrets.json").signing_keys
    assert (key["crv"], key["use"]) == ("Ed25519", "sig")
    assert key["kid"] == OKPKey.import_key({name: str(key[name]) for name in key}).thumbprint()
