"""The message about a taken port."""

import pytest

from deploy.local import ports
from deploy.local.errors import RunnerError


def test_require_free_accepts_a_free_port() -> None:
    ports.require_free(8080, "GATEWAY_PORT", free=lambda _: True)


def test_require_free_names_port_variable_and_way_out() -> None:
    with pytest.raises(RunnerError) as caught:
        ports.require_free(8080, "GATEWAY_PORT", free=lambda port: port > 8082)
    message = str(caught.value)
    assert "port 8080 is taken" in message
    assert "GATEWAY_PORT=8083 make up" in message
    assert "\n" not in message


def test_suggest_stays_below_the_last_port() -> None:
    assert ports.suggest(65535, free=lambda _: True) == 65535
