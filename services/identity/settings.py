"""Settings of the identity service."""

from base64 import b64decode
from binascii import Error as NotBase64
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

from joserfc.jwk import OKPKey

from chassis.settings import (
    ServiceSettings,
    SettingsError,
    json_value,
    number,
    required,
    service_settings,
)

SEALING_KEY_BYTES = 32
LOG_KEPT_DAYS = 400
# The database drops nothing younger.
LOG_KEPT_DAYS_MIN = 180
LOG_KEPT_DAYS_MAX = 36_500


@dataclass(frozen=True)
class Settings:
    """The shared settings, the secrets of all services, and keys: those that sign tokens, that sign
    the operation log, and that seal secrets; of each the first one signs or seals, the others are
    still good. Where the log's roots are kept and how long the log is; how mails are sent.

    Exactly one of `mail_dir` and `smtp_url` is set; `public_url` is where links lead to.
    """

    service: ServiceSettings
    service_secrets: Mapping[str, str]
    signing_keys: tuple[OKPKey, ...]
    log_keys: tuple[OKPKey, ...]
    log_root_dir: Path
    log_kept: timedelta
    sealing_keys: tuple[bytes, ...]
    public_url: str
    mail_dir: str
    smtp_url: str
    mail_from: str
    failures_per_address: int


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
        log_kept=timedelta(
            days=number(
                environment, "LOG_KEPT_DAYS", LOG_KEPT_DAYS, LOG_KEPT_DAYS_MIN, LOG_KEPT_DAYS_MAX
            )
        ),
        sealing_keys=_sealing_keys(environment),
        public_url=_url(environment, "PUBLIC_URL", "http", "https").rstrip("/"),
        mail_dir=environment.get("MAIL_DIR", ""),
        smtp_url=_smtp_url(environment),
        mail_from=environment.get("MAIL_FROM", "crm@localhost"),
        failures_per_address=number(
            environment, "SIGN_IN_FAILURES_PER_ADDRESS", usual=100, least=1, most=1_000_000
        ),
    )


def _keys(environment: Mapping[str, str], name: str) -> tuple[OKPKey, ...]:
    keys = json_value(environment, name)
    if not isinstance(keys, list) or not keys:
        raise SettingsError(f"{name} must be a JSON list of private Ed25519 keys")
    return tuple(OKPKey.import_key(key) for key in keys)


def _sealing_keys(environment: Mapping[str, str]) -> tuple[bytes, ...]:
    texts = json_value(environment, "SEALING_KEYS")
    try:
        keys = tuple(b64decode(text, validate=True) for text in texts)  # type: ignore[attr-defined]  # whatever it is not is caught
    except (TypeError, NotBase64):
        keys = ()
    if not keys or any(len(key) != SEALING_KEY_BYTES for key in keys):
        raise SettingsError("SEALING_KEYS must be a JSON list of keys of 32 bytes in Base64")
    return keys


def _smtp_url(environment: Mapping[str, str]) -> str:
    if bool(environment.get("MAIL_DIR")) == bool(environment.get("SMTP_URL")):
        raise SettingsError("Set either MAIL_DIR or SMTP_URL: where mails go")
    return _url(environment, "SMTP_URL", "smtp", "smtps") if "SMTP_URL" in environment else ""


def _url(environment: Mapping[str, str], name: str, *schemes: str) -> str:
    value = required(environment, name)
    parts = urlsplit(value)
    if parts.scheme not in schemes or not parts.hostname:
        raise SettingsError(f"{name} must be a URL with {' or '.join(schemes)}")
    return value
