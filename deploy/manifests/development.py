"""Secrets of a development installation, made once and kept in a file that only its owner reads."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from deploy.local.credentials import (
    new_sealing_key,
    new_secret,
    new_signing_key,
    write_private,
)
from deploy.local.databases import Logins, creation_script
from deploy.manifests.certificates import Authority, hosts, names
from deploy.manifests.secrets import DATABASE_TLS, database_url, filled, templates, values
from deploy.manifests.services import OWNERS
from deploy.manifests.shape import NAMESPACE, Manifest, manifest

# Mails go to a folder there, so no server for them is needed.
NOT_THERE: Final = ("identity_smtp_url",)


def new_values() -> dict[str, str]:
    """A fresh value for everything that a secret store must hold, but the mail server's URL."""
    return {name: _new(name) for name in values() if name not in NOT_THERE}


def development_secrets(file: Path) -> Iterator[Manifest]:
    """The Secrets of the overlay `dev`; values are read from the file, missing ones are made."""
    stored = json.loads(file.read_text("utf-8")) if file.exists() else {}
    known: dict[str, str] = {**new_values(), **stored.get("values", {})}
    issued: dict[str, Mapping[str, str]] = stored.get("certificates", {})
    if set(issued) != set(hosts()):
        authority = Authority()
        issued = {secret: authority.issue(names(short)) for secret, short in hosts().items()}
    write_private(file, {"values": known, "certificates": issued})
    for name, template in templates().items():
        # The server of development has no TLS, and mails need no server.
        here = {
            key: text.replace(DATABASE_TLS, "")
            for key, text in template.items()
            if key != "SMTP_URL"
        }
        yield _secret(name, filled(here, known))
    yield _secret("database-roles", {"roles.sql": _roles(known)})
    for name, content in issued.items():
        yield _secret(name, content)


def _new(name: str) -> str:
    if name.endswith(("signing_keys", "log_keys")):
        return json.dumps([new_signing_key()])
    if name == "backup_key":
        return new_sealing_key()
    return json.dumps([new_sealing_key()]) if name.endswith("sealing_keys") else new_secret()


def _roles(known: Mapping[str, str]) -> str:
    """The script that makes every database and role; it may be run at every start."""
    scripts = []
    for service in OWNERS:
        urls = {role: database_url(service.name, role) for role in ("owner", "runtime", "worker")}
        scripts.append(creation_script(Logins(**filled(urls, known))))
    return "\n".join(scripts)


def _secret(name: str, content: Mapping[str, str]) -> Manifest:
    made = manifest("Secret", name, type="Opaque", stringData=dict(content))
    metadata = made["metadata"]
    assert isinstance(metadata, dict)
    metadata["namespace"] = NAMESPACE
    return made
