"""Settings of the identity service."""

from base64 import b64decode
from binascii import Error as NotBase64
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from joserfc.jwk import OKPKey

from chassis.settings import (
    ServiceSettings,
    SettingsError,
    json_value,
    required,
    service_settings,
)

SEALING_KEY_BYTES = 32


@dataclass(frozen=True)
class Settings:
    """The shared settings, the secrets of all services, the keys (the first one signs or seals,
    the others are still good), and how mails are sent.

    Exactly one of `mail_dir` and `smtp_url` is set; `public_url` is where links lead to.
    """

    service: ServiceSettings
    service_secrets: Mapping[str, str]
    signing_keys: tuple[OKPKey, ...]
    sealing_keys: tuple[bytes, ...]
    public_url: str
    mail_dir: str
    smtp_url: str
    mail_from: str
    failures_per_address: int


def read_settings(environment: Mapping[str, str]) -> Settings:
    """Read and check the environment."""
    secrets = json_value(environment, "SERVICE_SECRETS")
    keys = json_value(environment, "SIGNING_KEYS")
    if not isinstance(secrets, dict) or not all(isinstance(one, str) for one in secrets.values()):
        raise SettingsError("SERVICE_SECRETS must be a JSON object of strings")
    if not isinstance(keys, list) or not keys:
        raise SettingsError("SIGNING_KEYS must be a JSON list of private Ed25519 keys")
    return Settings(
        service=service_settings("identity", environment),
        service_secrets=secrets,
        signing_keys=tuple(OKPKey.import_key(key) for key in keys),
        sealing_keys=_sealing_keys(environment),
        public_url=_url(environment, "PUBLIC_URL", "http", "https").rstrip("/"),
        mail_dir=environment.get("MAIL_DIR", ""),
        smtp_url=_smtp_url(environment),
        mail_from=environment.get("MAIL_FROM", "crm@localhost"),
        failures_per_address=_failures(environment),
    )


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


def _failures(environment: Mapping[str, str]) -> int:
    text = environment.get("SIGN_IN_FAILURES_PER_ADDRESS", "100")
    if not text.isdecimal() or not 0 < int(text) <= 1_000_000:
        raise SettingsError("SIGN_IN_FAILURES_PER_ADDRESS must be 1 to 1000000")
    return int(text)
