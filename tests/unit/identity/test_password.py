"""Which passwords are refused, and why."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.identity.domain.password import LENGTH_MAX, is_common, refusal

SHORT, LONG = "Use at least 10 characters.", "Use at most 200 characters."
OWN = "Leave out your name, your login and the name of your company."
COMMON = "Many people use passwords like this; choose another one."
NAMES = ("张胜华", "zhangsh", "z.h", "acme-corp", "Acme 机械 GmbH")


@pytest.mark.parametrize(
    ("password", "text"),
    [
        ("short", SHORT), ("九个字的密码还不够", SHORT), ("x" * (LENGTH_MAX + 1), LONG),
        ("iam-ZHANGSH-2", OWN), ("我是张胜华不是别人呀", OWN), ("we at acme are", OWN),
        ("機械机械机械可以吗吗吗", OWN),
        ("password12", COMMON), ("P@ssw0rd2024!", COMMON), ("Zhongguo2024", COMMON),
        ("qwertyuiop12", COMMON), ("1qaz2wsx3edc", COMMON), ("poiuytrewq", COMMON),
        ("woaini1314520", COMMON), ("dragonmonkey1", COMMON), ("passwordpassword", COMMON),
        ("qwerty 123456", COMMON), ("13812345678", COMMON), ("zs19900101", COMMON),
        ("aaaaaaaaaaaa", COMMON), ("ababababab", COMMON), ("ab12ab12ab12", COMMON),
        ("aaaaqwerty!", COMMON), ("$unshine99", COMMON),
    ],
)  # fmt: skip
def test_refused(password: str, text: str) -> None:
    assert refusal(password, 10, NAMES) == text


@pytest.mark.parametrize(
    "password",
    ["correct horse battery", "x7Kp-93ms-qqLd", "dragon monkey tiger", "三月的雨下得很大呀呀",
     "z.h and others", "Tr0ub4dor&3xyz", "123456789012345678x9"],
)  # fmt: skip
def test_taken(password: str) -> None:
    assert refusal(password, 10, NAMES) is None


@given(st.text(min_size=1, max_size=LENGTH_MAX))
def test_any_text_is_judged(password: str) -> None:
    assert isinstance(is_common(password.casefold()), bool)
