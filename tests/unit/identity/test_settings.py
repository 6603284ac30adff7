"""Settings of identity: every bad value ends the process with one line that names it."""

import json
from base64 import b64encode
from collections.abc import Mapping
from pathlib import Path

import pytest

from chassis.settings import SettingsError
from deploy.local.components import Wiring
from deploy.local.credentials import load_secrets
from deploy.local.settings import read_settings as runner_settings
from services.identity.settings import read_settings

SHORT = json.dumps([b64encode(b"short").decode()])


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    folder = tmp_path_factory.mktemp("run")
    wiring = Wiring(runner_settings(Path(folder), {}), load_secrets(folder / "secrets.json"))
    return wiring.service_environment("identity")


def test_the_runner_sets_what_identity_reads(environment: Mapping[str, str]) -> None:
    settings = read_settings(environment)
    assert settings.mail_dir.endswith("/mail")
    assert settings.public_url == "http://127.0.0.1:8080"
    assert [len(key) for key in settings.sealing_keys] == [32]
    by_server = {**environment, "MAIL_DIR": "", "SMTP_URL": "smtps://crm:secret@mail.example"}
    assert read_settings(by_server).smtp_url == "smtps://crm:secret@mail.example"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SEALING_KEYS", "[]"), ("SEALING_KEYS", SHORT), ("SEALING_KEYS", "7"),
        ("SEALING_KEYS", '["%"]'), ("SEALING_KEYS", "[7]"), ("SEALING_KEYS", "x"),
        ("MAIL_DIR", ""), ("SMTP_URL", "smtp://mail"), ("PUBLIC_URL", "crm.example"),
        ("SIGN_IN_FAILURES_PER_ADDRESS", "0"), ("SIGN_IN_FAILURES_PER_ADDRESS", "many"),
        ("SERVICE_SECRETS", "[]"), ("SIGNING_KEYS", "[]"),
    ],
)  # fmt: skip
def test_a_bad_value_is_named(environment: Mapping[str, str], name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=name):
        read_settings({**environment, name: value})
