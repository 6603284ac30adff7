"""Settings of the identity service."""

from collections.abc import Mapping
from dataclasses import dataclass

from joserfc.jwk import OKPKey

from chassis.settings import ServiceSettings, SettingsError, json_value, service_settings


@dataclass(frozen=True)
class Settings:
    """The shared settings, the secrets of all services, and the signing keys, of which the first
    signs.
    """

    service: ServiceSettings
    service_secrets: Mapping[str, str]
    signing_keys: tuple[OKPKey, ...]


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
    )
