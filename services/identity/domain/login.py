"""Login names made from full names."""

import re
import unicodedata
from collections.abc import Sequence

LOGIN_LENGTH_MAX = 90
_NOT_ALLOWED = re.compile(r"[^a-z0-9]+")


def login_from(name: str) -> str:
    """A login of lower-case Latin letters, digits and dots; "user" when nothing is left of the
    name.

    Chinese characters must have been turned into pinyin before (this module does no I/O and has no
    dictionary).
    """
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return _NOT_ALLOWED.sub(".", plain).strip(".")[:LOGIN_LENGTH_MAX] or "user"


def is_chinese(name: str) -> bool:
    """Whether the name is Chinese characters throughout."""
    return bool(name) and all("\u4e00" <= one <= "\u9fff" for one in name)


def login_of_syllables(syllables: Sequence[str]) -> str:
    """The login of a Chinese name, one syllable of pinyin for each character: two characters in
    full, of more the first one in full and of the others their first letters.

    张三 is zhangsan, 张胜华 is zhangsh.
    """
    if len(syllables) <= 2:
        return "".join(syllables)
    return syllables[0] + "".join(one[0] for one in syllables[1:])


def is_plain(login: str) -> bool:
    """Whether a login can be told from others by looking at it: no spaces, nothing that is not
    shown, and no character that stands for another (NFKC: full-width letters, ligatures).
    """
    shown = login.isprintable() and not any(one.isspace() for one in login)
    return shown and unicodedata.is_normalized("NFKC", login)


def next_free(wanted: str, taken: set[str]) -> str:
    """The login itself, or with the lowest number from 1 that makes it free: zhangsan,
    zhangsan1.
    """
    if wanted not in taken:
        return wanted
    number = 1
    while f"{wanted}{number}" in taken:
        number += 1
    return f"{wanted}{number}"
