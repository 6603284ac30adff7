"""What the runner accepts from the environment."""

from pathlib import Path

import pytest

from deploy.local.errors import RunnerError
from deploy.local.settings import DEFAULT_PORTS, read_settings


def test_settings_have_defaults(tmp_path: Path) -> None:
    settings = read_settings(tmp_path, {})
    assert settings.ports == DEFAULT_PORTS
    assert (settings.admin_url, settings.nats_url, settings.owner_urls) == (None, None, {})


def test_settings_take_ports_and_servers(tmp_path: Path) -> None:
    settings = read_settings(
        tmp_path,
        {
            "GATEWAY_PORT": "9090",
            "DATABASE_URL": "postgresql://admin:secret@db:5432/postgres",
            "SALES_DATABASE_URL": "postgresql://sales@db/sales",
            "NATS_URL": "nats://bus:4222",
        },
    )
    assert settings.ports["gateway"] == 9090
    assert settings.admin_url == "postgresql://admin:secret@db:5432/postgres"
    assert settings.owner_urls == {"sales": "postgresql://sales@db/sales"}
    assert settings.nats_url == "nats://bus:4222"


@pytest.mark.parametrize("text", ["", "0", "65536", "http", "-1", "８０"])
def test_settings_refuse_what_is_no_port(tmp_path: Path, text: str) -> None:
    with pytest.raises(RunnerError, match=r"^GATEWAY_PORT="):
        read_settings(tmp_path, {"GATEWAY_PORT": text})


def test_settings_refuse_one_port_for_two(tmp_path: Path) -> None:
    with pytest.raises(RunnerError, match="SALES_PORT and IDENTITY_PORT both say 50051"):
        read_settings(tmp_path, {"SALES_PORT": "50051"})


@pytest.mark.parametrize("url", ["mysql://a@b/c", "postgresql://host/name", "sales"])
def test_settings_refuse_what_is_no_database_url(tmp_path: Path, url: str) -> None:
    with pytest.raises(RunnerError, match="SALES_DATABASE_URL must look like"):
        read_settings(tmp_path, {"SALES_DATABASE_URL": url})


def test_settings_pass_on_only_named_variables(tmp_path: Path) -> None:
    settings = read_settings(tmp_path, {"PATH": "bin", "SECRET": "no"})
    assert settings.inherited == {"PATH": "bin"}


@pytest.mark.parametrize("text", ["", "-1", "1.5", "745", "daily"])
def test_settings_refuse_wrong_hours_of_backups(tmp_path: Path, text: str) -> None:
    with pytest.raises(RunnerError, match=r"^BACKUP_HOURS="):
        read_settings(tmp_path, {"BACKUP_HOURS": text})


def test_each_replica_has_ports_of_its_own(tmp_path: Path) -> None:
    settings = read_settings(tmp_path, {"REPLICAS": "3", "SALES_2_PORT": "6002"})
    assert settings.instances("sales") == ("sales", "sales.2", "sales.3")
    ports = [settings.ports[name] for name in settings.instances("sales")]
    assert ports == [50053, 6002, 50253]
    assert settings.ports["gateway.3_metrics"] == 9301
    assert len(set(settings.ports.values())) == len(settings.ports)


@pytest.mark.parametrize("text", ["", "0", "10", "two"])
def test_settings_refuse_wrong_numbers_of_replicas(tmp_path: Path, text: str) -> None:
    with pytest.raises(RunnerError, match=r"^REPLICAS="):
        read_settings(tmp_path, {"REPLICAS": text})
