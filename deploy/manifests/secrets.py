"""Secrets: their names and keys, as templates over values that a secret store holds."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Final

from deploy.local.databases import database_name
from deploy.local.settings import owner_variable
from deploy.manifests.broker import users_file
from deploy.manifests.services import (
    BACKUP,
    DATABASE,
    DATABASE_PORT,
    NATS,
    NATS_PORT,
    OWNERS,
    SERVICES,
    TOOLBOX,
    Service,
)
from deploy.manifests.shape import TLS_DIR, Manifest, manifest

# The store of the External Secrets Operator, and the folder of ours in it.
STORE: Final = "crm"
ROLES: Final = {"owner": "_owner", "runtime": "", "worker": "_worker"}
BASIC: Final = "kubernetes.io/basic-auth"
DATABASE_TLS: Final = f"?sslmode=verify-full&sslrootcert={TLS_DIR}/ca.crt"
_VALUE: Final = re.compile(r"\{\{ \.(\w+) \}\}")

Templates = Mapping[str, tuple[str, Mapping[str, str]]]


def templates() -> dict[str, dict[str, str]]:
    """The keys of every Secret that our pods read, with a template for each."""
    found = {service.name: _of_service(service) for service in SERVICES}
    for service in OWNERS:
        url = database_url(service.name, "owner")
        found[f"{service.name}-migration"] = {"MIGRATION_DATABASE_URL": url}
    found[TOOLBOX] = {
        "NATS_URL": _nats_url(TOOLBOX),
        "SERVICE_SECRET": "{{ .operator_service_secret }}",
    }
    found[BACKUP] = {
        "BACKUP_KEY": value(BACKUP, "key"),
        "NATS_URL": _nats_url(BACKUP),
        **{owner_variable(one.name): database_url(one.name, "owner") for one in OWNERS},
    }
    found["nats-users"] = {"users.conf": users_file()}
    return found


def role_templates() -> dict[str, dict[str, str]]:
    """User name and password of every database role, as CloudNativePG reads them."""
    return {
        role_secret(service.name, role): {
            "username": f"{database_name(service.name)}{suffix}",
            "password": value(service.name, f"{role}_password"),
        }
        for service in OWNERS
        for role, suffix in ROLES.items()
    }


def role_secret(service: str, role: str) -> str:
    """The Secret with the password of a database role."""
    return f"database-{service}-{role}"


def external_secrets() -> Iterator[Manifest]:
    """One ExternalSecret for each Secret: nothing secret is in Git."""
    for name, template in templates().items():
        yield _external(name, template, "Opaque")
    for name, template in role_templates().items():
        yield _external(name, template, BASIC)


def values() -> list[str]:
    """Every value that the store must have, as `<service>_<property>`."""
    everything = {**templates(), **role_templates()}
    return sorted({one for each in everything.values() for one in _needed(each)})


def filled(template: Mapping[str, str], known: Mapping[str, str]) -> dict[str, str]:
    """The template with its values put in; KeyError names one that is missing."""
    return {key: _VALUE.sub(lambda match: known[match[1]], text) for key, text in template.items()}


def value(owner: str, name: str) -> str:
    """The place of a value in a template."""
    return f"{{{{ .{owner}_{name} }}}}"


def database_url(service: str, role: str) -> str:
    """The URL of a service's database in one of its roles; the certificate is checked."""
    name = database_name(service)
    login = f"{name}{ROLES[role]}:{value(service, f'{role}_password')}"
    return f"postgresql://{login}@{DATABASE}-rw:{DATABASE_PORT}/{name}{DATABASE_TLS}"


def _of_service(service: Service) -> dict[str, str]:
    name = service.name
    found = {
        "NATS_URL": _nats_url(name),
        "SERVICE_SECRET": value(name, "service_secret"),
        **service.secrets,
    }
    if service.has_database:
        found["DATABASE_URL"] = database_url(name, "runtime")
        found["WORKER_DATABASE_URL"] = database_url(name, "worker")
    if name == "identity":  # it knows all others, and operators, by their secrets
        known = [*(one.name for one in SERVICES), "operator"]
        found["SERVICE_SECRETS"] = json.dumps({one: value(one, "service_secret") for one in known})
    return found


def _nats_url(user: str) -> str:
    return f"tls://{user}:{value(user, 'nats_password')}@{NATS}:{NATS_PORT}"


def _needed(template: Mapping[str, str]) -> list[str]:
    return sorted({match[1] for text in template.values() for match in _VALUE.finditer(text)})


def _external(name: str, template: Mapping[str, str], kind: str) -> Manifest:
    data = [
        {
            "secretKey": one,
            "remoteRef": {"key": f"crm/{one.split('_')[0]}", "property": one.split("_", 1)[1]},
        }
        for one in _needed(template)
    ]
    spec = {
        "refreshInterval": "1h",
        "secretStoreRef": {"kind": "ClusterSecretStore", "name": STORE},
        "target": {
            "name": name,
            "creationPolicy": "Owner",
            "template": {"type": kind, "engineVersion": "v2", "data": dict(template)},
        },
        "data": data,
    }
    return manifest("ExternalSecret", name, "external-secrets.io/v1", spec=spec)
