"""Settings of the identity service."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from joserfc.jwk import OKPKey

from chassis.settings import ServiceSettings, SettingsError, json_value, required, service_settings

LOG_KEPT_DAYS = 400
# The database drops nothing younger.
LOG_KEPT_DAYS_MIN = 180


@dataclass(frozen=True)
class Settings:
    """The shared settings, the secrets of all services, and the signing keys of tokens and of the
    operation log, of each of which the first signs; where the log's roots are kept, and how long
    the log is.
    """

    service: ServiceSettings
    service_secrets: Mapping[str, str]
    signing_keys: tuple[OKPKey, ...]
    log_keys: tuple[OKPKey, ...]
    log_root_dir: Path
    log_kept: timedelta


def read_settings(environment: Mapping[str, str]) -> Settings:
    """Read and check the environment."""
    secrets = json_value(environment, "SERVICE_SECRETS")
    if not isinstance(secrets, dict) or not all(isinstance(one, str) for one in secrets.values()):
        raise SettingsError("SERVICE_SECRETS must be a JSON object of strings")
    return Settings(
        service=service_settings("identity", environment),
        service_secrets=secrets,
        signing_keys=_keys(environment, "SIGNING_KEYS"),
        log_keys=_keys(environment, "LOG_KEYS"),
        log_root_dir=Path(required(environment, "LOG_ROOT_DIR")),
        log_kept=timedelta(days=_kept_days(environment)),
    )


def _keys(environment: Mapping[str, str], name: str) -> tuple[OKPKey, ...]:
    keys = json_value(environment, name)
    if not isinstance(keys, list) or not keys:
        raise SettingsError(f"{name} must be a JSON list of private Ed25519 keys")
    return tuple(OKPKey.import_key(key) for key in keys)


def _kept_days(environment: Mapping[str, str]) -> int:
    text = environment.get("LOG_KEPT_DAYS", str(LOG_KEPT_DAYS))
    if not text.isdigit() or int(text) < LOG_KEPT_DAYS_MIN:
        raise SettingsError(f"LOG_KEPT_DAYS must be a number of at least {LOG_KEPT_DAYS_MIN}")
    return int(text)
