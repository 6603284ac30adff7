"""Settings of the reporting service: those that all services share."""

from collections.abc import Mapping

from chassis.settings import ServiceSettings, service_settings


def read_settings(environment: Mapping[str, str]) -> ServiceSettings:
    """Read and check the environment."""
    return service_settings("reporting", environment)
