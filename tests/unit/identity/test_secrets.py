"""Seals, codes of authenticators and the texts of mails."""

import secrets
from datetime import timedelta

import pytest

from services.identity.domain.mail import (
    INVITE,
    RESET,
    RETRY_MAX,
    Letter,
    body_of,
    retry_after,
    subject_of,
)
from services.identity.methods.seal import Seal
from services.identity.methods.totp import readable, step_of, uri_of

# RFC 6238, appendix B (SHA-1), the last six of its eight digits.
RFC_SECRET = b"12345678901234567890"
RFC_CODES = {
    89: "359152", 1111111109: "081804", 1111111111: "050471", 1234567890: "005924",
    2000000000: "279037", 20000000000: "353130",
}  # fmt: skip


@pytest.mark.parametrize(("moment", "code"), RFC_CODES.items())
def test_codes_are_those_of_the_standard(moment: int, code: str) -> None:
    step = moment // 30
    assert step_of(RFC_SECRET, code, moment) == step
    assert step_of(RFC_SECRET, code, moment + 30) == step
    assert step_of(RFC_SECRET, code, moment - 29) == step
    assert step_of(RFC_SECRET, code, moment + 60) is None


@pytest.mark.parametrize("code", ["", "28708", "2870820", "２８７０８２", "-87082", "287 082"])
def test_what_is_no_code_is_refused(code: str) -> None:
    assert step_of(RFC_SECRET, code, 59) is None


def test_the_uri_names_account_and_company() -> None:
    uri = uri_of(RFC_SECRET, "zhangsan", "演示公司 & Co")
    assert uri.startswith("otpauth://totp/%E6%BC%94")
    assert f"secret={readable(RFC_SECRET)}" in uri


def test_a_secret_opens_for_its_owner_with_any_known_key() -> None:
    old, new = secrets.token_bytes(32), secrets.token_bytes(32)
    sealed = Seal([old]).close(b"secret", "tenant|user")
    assert b"secret" not in sealed
    assert Seal([new, old]).open(sealed, "tenant|user") == b"secret"
    assert sealed != Seal([old]).close(b"secret", "tenant|user")
    for seal, owner, text in (
        (Seal([new]), "tenant|user", sealed),
        (Seal([old]), "tenant|other", sealed),
        (Seal([old]), "tenant|user", sealed[:-1] + bytes([sealed[-1] ^ 1])),
    ):
        with pytest.raises(ValueError, match="no sealing key"):
            seal.open(text, owner)


@pytest.mark.parametrize("kind", [RESET, INVITE])
@pytest.mark.parametrize("language", ["zh", "en"])
def test_mails_keep_their_lines_whatever_names_are(kind: str, language: str) -> None:
    name = "Eve\r\nBcc: all@example.com {link}"
    letter = Letter(kind, language, name, "eve", "A\nB", "https://crm.example/#token=t")
    assert "\n" not in subject_of(letter)
    body = body_of(letter)
    assert "\nhttps://crm.example/#token=t\n" in body
    assert "Eve Bcc: all@example.com {link}" in body


def test_mails_are_tried_again_later_and_later() -> None:
    waits = [retry_after(attempts) for attempts in range(12)]
    assert waits[:3] == [timedelta(seconds=10), timedelta(seconds=20), timedelta(seconds=40)]
    assert waits[-1] == RETRY_MAX
