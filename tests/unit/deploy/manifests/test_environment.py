"""The contract of the environment: what a service reads its manifest sets, and the reverse."""

import os
from collections.abc import Mapping
from importlib import import_module
from typing import Final

import pytest

from deploy.backup.settings import is_told, read_installation
from deploy.manifests.development import new_values
from deploy.manifests.secrets import filled, templates, values
from deploy.manifests.services import BACKUP, METRICS_PORT, OWNERS, SERVICES, TOOLBOX, Service
from services.gateway.settings import gateway_settings
from tests.unit.deploy.manifests.rendered import OVERLAYS, as_map, at, containers, items, of_kind

# Read by a library, not by us.
LIBRARIES: Final = {"GRPC_ENABLE_FORK_SUPPORT"}
# Where mails go: to a folder or to a server, one of the two.
MAILS: Final = {"MAIL_DIR", "SMTP_URL"}
# Where spans go, and how many: the operators' own overlay says so if they have a collector.
TRACES: Final = {"OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_TRACES_SAMPLER_ARG"}
SMTP: Final = {"identity_smtp_url": "smtps://crm:secret@mail.example:465"}


class Recorder(dict[str, str]):
    """An environment that remembers what it was asked for."""

    def __init__(self, given: Mapping[str, str]) -> None:
        super().__init__(given)
        self.read: set[str] = set()

    def __getitem__(self, name: str) -> str:
        self.read.add(name)
        return super().__getitem__(name)

    def __contains__(self, name: object) -> bool:
        self.read.add(str(name))
        return super().__contains__(name)

    def get(self, name: str, default: str | None = None) -> str | None:  # type: ignore[override]  # as os.environ has it
        """The value, remembered as read."""
        self.read.add(name)
        return super().get(name, default)


def given(overlay: str, name: str) -> dict[str, str]:
    """The environment of the main container, its Secret filled with fresh values."""
    template = as_map(at(of_kind(overlay, "Deployment")[name], "spec", "template"))
    (main,) = [one for one in containers(template) if one["name"] == "main"]
    found = {str(one["name"]): str(one["value"]) for one in items(main, "env")}
    for source in items(main, "envFrom"):
        secret = templates()[str(at(source, "secretRef", "name"))]
        found |= filled(secret, {**new_values(), **SMTP})
    if overlay == "dev":
        found.pop("SMTP_URL", None)
    return found


@pytest.mark.parametrize("overlay", OVERLAYS)
@pytest.mark.parametrize("service", SERVICES, ids=lambda one: one.name)
def test_a_service_reads_what_its_manifest_sets(
    overlay: str, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = Recorder(given(overlay, service.name))
    if service.has_database:
        serve = import_module(f"services.{service.name}.app").serve
        monkeypatch.setattr(os, "environ", environment)
        serve(lambda *_: None)
        monkeypatch.undo()
    else:
        gateway_settings(environment)
    assert set(environment) - environment.read <= LIBRARIES
    assert environment.read - set(environment) <= MAILS | TRACES
    assert len(MAILS & set(environment)) == (1 if service.mails else 0)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_backups_read_what_their_manifest_sets(overlay: str) -> None:
    environment = Recorder(given(overlay, BACKUP))
    assert is_told(environment)
    assert len(read_installation(environment).databases) == len(OWNERS)
    assert set(environment) - environment.read == {"HOME", "METRICS_LISTEN"}
    assert environment.read - set(environment) == {"BACKUP_KEY_FILE"}


def test_the_toolbox_has_what_operators_need() -> None:
    environment = given("production", TOOLBOX)
    assert {"IDENTITY_TARGET", "NATS_URL", "SERVICE_SECRET", "TLS_DIR"} <= set(environment)
    told = {one.partition("=")[2] for one in environment["CRM_METRICS"].split(",")}
    ports = {
        f"{name}:{port['port']}"
        for name, service in of_kind("production", "Service").items()
        for port in items(service, "spec", "ports")
        if at(service, "spec", "clusterIP") != "None" or name == BACKUP
    }
    assert told - ports == {f"{one.name}:{METRICS_PORT}" for one in OWNERS}  # by their pods


def test_every_value_has_a_place_in_the_store() -> None:
    assert set(new_values()) | set(SMTP) == set(values())
