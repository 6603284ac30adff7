"""Login names made from full names."""

import re
import unicodedata

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
