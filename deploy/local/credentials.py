"""The secrets of one run folder: made once, kept in a file that only its owner reads."""

import json
import os
import secrets
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
from joserfc.jwk import OKPKey

from deploy.local.settings import GATEWAY, SERVICES

ROLES: Final = ("owner", "runtime", "worker")
DEMO_EMAIL: Final = "admin@example.com"
# Who `crm tenant` is to identity: a service identity without a service.
OPERATOR: Final = "operator"


@dataclass(frozen=True)
class Secrets:
    """Passwords by role (`sales.owner`), service secrets by name, Ed25519 JWKs (first signs)."""

    postgres_password: str
    nats_password: str
    demo_password: str
    database_passwords: Mapping[str, str]
    service_secrets: Mapping[str, str]
    signing_keys: Sequence[Mapping[str, object]]
    log_keys: Sequence[Mapping[str, object]]
    sealing_keys: Sequence[str]
    backup_key: str


def load_secrets(path: Path) -> Secrets:
    """Read the file, making and writing (mode 0600) what is missing in it."""
    stored = json.loads(path.read_text()) if path.exists() else {}
    passwords = stored.get("database_passwords", {})
    of_services = stored.get("service_secrets", {})
    complete = {
        "postgres_password": stored.get("postgres_password") or new_secret(),
        "nats_password": stored.get("nats_password") or new_secret(),
        "demo_password": stored.get("demo_password") or secrets.token_urlsafe(12),
        "database_passwords": {
            key: passwords.get(key) or new_secret()
            for key in [f"{service}.{role}" for service in SERVICES for role in ROLES]
        },
        "service_secrets": {
            name: of_services.get(name) or new_secret() for name in (*SERVICES, GATEWAY, OPERATOR)
        },
        "signing_keys": stored.get("signing_keys") or [new_signing_key()],
        "log_keys": stored.get("log_keys") or [new_signing_key()],
        "sealing_keys": stored.get("sealing_keys") or [new_sealing_key()],
        "backup_key": stored.get("backup_key") or new_sealing_key(),
    }
    if complete != stored:
        write_private(path, complete)
    return msgspec.convert(complete, Secrets)


def write_private(path: Path, content: object) -> None:
    """Replace a JSON file that nobody else may read, in one step."""
    scratch = path.with_suffix(".new")
    scratch.unlink(missing_ok=True)
    descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(content, file, indent=2)
        file.flush()
        os.fsync(file.fileno())
    scratch.replace(path)


def new_secret() -> str:
    """A password or shared secret that needs no quoting in a URL."""
    return secrets.token_urlsafe(32)


def new_sealing_key() -> str:
    """A key that seals what is stored."""
    return b64encode(secrets.token_bytes(32)).decode()


def new_signing_key() -> Mapping[str, object]:
    """A private Ed25519 JWK."""
    key = OKPKey.generate_key("Ed25519", {"use": "sig", "alg": "Ed25519"}, auto_kid=True)
    return dict(key.as_dict(private=True))
