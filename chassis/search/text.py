"""What is searched instead of a text: its words in one spelling, and other ways of writing them.

Words are runs of CJK characters, or of letters and digits in lower case, each after one space;
whatever else there is parts words. Initials of pinyin are in upper case, as no word is.
"""

import re
import unicodedata
from contextlib import suppress

import phonenumbers

from chassis.search.pinyin import HAN, readings

LENGTH_MAX = 500
PHONE_DIGITS_MIN = 6
# Scripts from here on have words without spaces between: CJK, kana, Hangul.
WIDE = "\u2e80"
_WORD = re.compile("[^\\W_\0-\u2e7f]+|[^\\W_\u2e80-\U0010ffff]+")
_PHONE = re.compile(r"[0-9][0-9 ().\-/]{4,}[0-9]")
_PHONE_SOUGHT = re.compile(r"[+(]*[0-9][0-9 ().\-/]*")
_INTERNATIONAL = re.compile("00[1-9][0-9]{7}")
_TRUNK = re.compile("0[1-9]")
_NO_DIGIT = re.compile("[^0-9]+")


def searched_text(text: str) -> str:
    """What to keep of a text for searching; only its first LENGTH_MAX characters are looked at."""
    plain = unicodedata.normalize("NFKC", text[:LENGTH_MAX])
    found = _WORD.findall(plain.casefold())
    more = [_digits(one) for one in _PHONE.findall(plain)]
    for run in HAN.findall(plain):
        for form in readings(run):
            more += ["".join(form), "".join([one[:1] for one in form]).upper()]
    other = [word for word in dict.fromkeys(more) if word not in found]
    return "".join([f" {word}" for word in (*found, *other)])


def sought_words(text: str) -> list[str]:
    """The words of what is looked for; a telephone number in any notation is one word of digits."""
    plain = unicodedata.normalize("NFKC", text).strip()
    if _PHONE_SOUGHT.fullmatch(plain):
        digits = _digits(plain)
        if len(digits) >= PHONE_DIGITS_MIN or plain.startswith("+"):
            return [_national(plain, digits)]
    return _WORD.findall(plain.casefold())


def sought_patterns(words: list[str]) -> list[str]:
    """What a searched text that matches is LIKE: the words themselves, or initials of pinyin.

    One word of up to two letters must begin a word, or be initials.
    """
    text = " ".join(words)
    start = " " if len(text) < 3 and text < WIDE else ""
    initials = text.isascii() and text.isalpha() and len(text) > 1
    return [f"%{start}{text}%"] + ([f"%{text.upper()}%"] if initials else [])


def _digits(phone: str) -> str:
    """The digits of a number, without the zero of "+44 (0)20"."""
    return _NO_DIGIT.sub("", phone.replace("(0)", ""))


def _national(phone: str, digits: str) -> str:
    """What all notations of a number share: neither country code nor the zero before an area."""
    if phone.startswith("+") or _INTERNATIONAL.match(digits):
        with suppress(phonenumbers.NumberParseException):
            number = phonenumbers.parse("+" + digits.lstrip("0"))
            digits = phonenumbers.national_significant_number(number)
    return digits[1:] if _TRUNK.match(digits) else digits
