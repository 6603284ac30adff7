"""URLs and environments derived from settings."""

from collections.abc import Mapping
from pathlib import Path

from deploy.backup.settings import KEEP_DEFAULT, read_installation
from deploy.local.components import Wiring
from deploy.local.credentials import load_secrets
from deploy.local.databases import with_login
from deploy.local.platform import Platform
from deploy.local.settings import BACKUP, SERVICES, read_settings

NOWHERE: Mapping[str, str] = {}


def wiring(folder: Path, environment: Mapping[str, str] = NOWHERE) -> Wiring:
    """The wiring of an environment."""
    return Wiring(read_settings(folder, environment), load_secrets(folder / "secrets.json"))


def test_service_environment_holds_only_its_own_secrets(tmp_path: Path) -> None:
    environment = wiring(tmp_path).service_environment("sales")
    assert set(environment) == {
        "BLOB_DIR", "CUSTOMER_TARGET", "DATABASE_URL", "GRPC_ENABLE_FORK_SUPPORT", "GRPC_LISTEN",
        "IDENTITY_TARGET", "LOG_LEVEL", "MARKETING_TARGET", "METRICS_LISTEN", "NATS_URL",
        "REPORTING_TARGET", "SALES_TARGET", "SERVICE_SECRET", "WORKER_DATABASE_URL",
    }  # fmt: skip
    assert environment["DATABASE_URL"].startswith("postgresql://crm_sales:")
    assert environment["WORKER_DATABASE_URL"].endswith("@127.0.0.1:54320/crm_sales")


def test_only_identity_knows_all_secrets_and_the_keys(tmp_path: Path) -> None:
    environment = wiring(tmp_path).service_environment("identity")
    secrets = {"LOG_KEYS", "LOG_ROOT_DIR", "SEALING_KEYS", "SERVICE_SECRETS", "SIGNING_KEYS"}
    assert secrets <= set(environment)


def test_gateway_has_no_database(tmp_path: Path) -> None:
    environment = wiring(tmp_path).service_environment("gateway")
    assert not [name for name in environment if "DATABASE" in name]
    assert environment["HTTP_LISTEN"] == "127.0.0.1:8080"


def test_running_server_gets_our_databases(tmp_path: Path) -> None:
    url = "postgresql://admin:secret@db:5433/postgres?sslmode=require"
    logins = wiring(tmp_path, {"DATABASE_URL": url}).logins("sales")
    assert logins.owner.startswith("postgresql://crm_sales_owner:")
    assert logins.runtime.endswith("@db:5433/crm_sales?sslmode=require")


def test_given_database_keeps_its_name_and_owner(tmp_path: Path) -> None:
    url = "postgresql://boss:secret@db/mine"
    logins = wiring(tmp_path, {"SALES_DATABASE_URL": url}).logins("sales")
    assert logins.owner == url
    assert logins.worker.startswith("postgresql://crm_sales_worker:")
    assert logins.worker.endswith("@db/mine")


def test_with_login_quotes_passwords() -> None:
    assert with_login("postgresql://a@h:1/x", "u", "p@/", "d") == "postgresql://u:p%40%2F@h:1/d"


def test_backup_environment_names_all_databases_by_their_owners(tmp_path: Path) -> None:
    environment = wiring(tmp_path, {"BACKUP_DIR": "elsewhere"}).backup_environment()
    assert environment["SALES_DATABASE_URL"].startswith("postgresql://crm_sales_owner:")
    assert environment["BACKUP_DIR"] == "elsewhere"
    assert read_installation(environment).keep == KEEP_DEFAULT


def test_settings_are_found_again_by_later_commands(tmp_path: Path) -> None:
    told = {
        "SALES_PORT": "6001", "NATS_URL": "nats://bus", "SALES_DATABASE_URL": "postgresql://a@db/s",
        "BACKUP_HOURS": "6", "BACKUP_KEEP": "2",
    }  # fmt: skip
    settings = read_settings(tmp_path, told)
    assert read_settings(tmp_path, settings.to_environment()) == settings


def test_backups_are_scheduled_beside_a_whole_platform_unless_told_otherwise(
    tmp_path: Path,
) -> None:
    assert Platform(tmp_path, {}, SERVICES).names()[-1] == BACKUP
    assert BACKUP not in Platform(tmp_path, {"BACKUP_HOURS": "0"}, SERVICES).names()
    assert BACKUP not in Platform(tmp_path, {}, ("sales",)).names()
    component = wiring(tmp_path, {"BACKUP_HOURS": "6"}).component(BACKUP)
    assert component.command[-3:] == ("deploy.backup", "schedule", "--every=6")
    assert component.environment["METRICS_LISTEN"] == f"127.0.0.1:{component.port}"


def test_replicas_share_secrets_and_files_and_are_known_to_all(tmp_path: Path) -> None:
    wired = wiring(tmp_path, {"REPLICAS": "2"})
    first, second = (wired.service_environment(name) for name in ("sales", "sales.2"))
    own = {"GRPC_LISTEN", "METRICS_LISTEN"}
    assert {name for name in first if first[name] != second[name]} == own
    assert first["CUSTOMER_TARGET"] == "127.0.0.1:50052,127.0.0.1:50152"
    component = wired.component("sales.2")
    assert (component.name, component.command[-1]) == ("sales.2", "services.sales")


def test_a_platform_runs_what_it_was_asked_for(tmp_path: Path) -> None:
    platform = Platform(tmp_path, {"REPLICAS": "2", "BACKUP_HOURS": "0"}, ("sales", "gateway"))
    assert platform.names()[2:] == ("sales", "sales.2", "gateway", "gateway.2")
    assert platform.operator()["sales.2_metrics"].endswith(":9204")
