"""Logins made from names, and what a session must do first."""

import pytest

from services.identity.domain.login import (
    is_chinese,
    is_plain,
    login_from,
    login_of_syllables,
    next_free,
)
from services.identity.domain.session import restriction


@pytest.mark.parametrize(
    ("syllables", "login"),
    [
        (["zhang", "san"], "zhangsan"), (["zhang", "sheng", "hua"], "zhangsh"),
        (["ou", "yang", "xiu", "wen"], "ouyxw"), (["zhang"], "zhang"),
    ],
)  # fmt: skip
def test_two_characters_in_full_of_more_the_first_letters(syllables: list[str], login: str) -> None:
    assert login_of_syllables(syllables) == login


@pytest.mark.parametrize(
    ("name", "login"),
    [
        ("Erika Muster", "erika.muster"), ("Jörg Groß-Käse", "jorg.gro.kase"), ("...", "user"),
        ("王", "user"), ("x" * 200, "x" * 90), (" O'Neil ", "o.neil"),
    ],
)  # fmt: skip
def test_other_names_by_their_letters(name: str, login: str) -> None:
    assert login_from(name) == login


def test_a_clash_gets_the_lowest_number() -> None:
    assert next_free("zhangsan", set()) == "zhangsan"
    assert next_free("zhangsan", {"zhangsan"}) == "zhangsan1"
    assert next_free("zhangsan", {"zhangsan", "zhangsan1", "zhangsan3"}) == "zhangsan2"


def test_chinese_is_chinese_throughout() -> None:
    assert [is_chinese(name) for name in ("张三", "张 三", "Li 四", "")] == [True, *[False] * 3]


@pytest.mark.parametrize(
    ("change", "required", "enabled", "reason"),
    [
        (True, True, False, "PASSWORD_CHANGE_REQUIRED"),
        (False, True, False, "SECOND_FACTOR_ENROLMENT_REQUIRED"),
        (False, True, True, ""),
        (False, False, False, ""),
    ],
)
def test_what_a_session_must_do_first(
    change: bool, required: bool, enabled: bool, reason: str
) -> None:
    found = restriction(
        password_change_required=change,
        second_factor_required=required,
        second_factor_enabled=enabled,
    )
    assert found == reason


@pytest.mark.parametrize(
    ("login", "plain"),
    [
        ("zhangsan", True),
        ("张三", True),
        ("li.wei@acme.example", True),
        ("admin ", False),
        ("ad min", False),
        ("admin\u200b", False),
        ("\u202eadmin", False),
        ("ａdmin", False),
        ("admin\t", False),
    ],
)
def test_logins_are_told_apart_by_looking_at_them(login: str, plain: bool) -> None:
    assert is_plain(login) is plain
