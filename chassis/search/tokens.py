"""Tokens: numbers that stand for the grams of a text in one tenant.

CJK words have single characters and pairs; other words have triples, and from their start one and
two characters; initials have pairs as well. Numbers may collide, so what they find is rechecked.
"""

from collections.abc import Iterable
from zlib import crc32

from chassis.search.text import WIDE

SOUGHT_MAX = 12


def grams(text: str) -> set[str]:
    """All grams of a searched text."""
    found: set[str] = set()
    for word in text.split():
        if word >= WIDE:
            found.update(word, _windows(word, 2))
            continue
        lower = word.lower() if word.isascii() else word
        if lower != word:
            found.update(_windows(lower, 2))
        found.update((lower[:1], lower[:2]), _windows(lower, 3))
    return found


def sought_grams(words: list[str]) -> list[str]:
    """The grams that a text with these words, one after the other, has; none for no words.

    The first word may begin within a word of the text, unless it is alone and shorter than three.
    """
    found: list[str] = []
    for at, word in enumerate(words):
        size = 2 if word >= WIDE else 3
        if len(word) >= size:
            found += _windows(word, size)
        elif word >= WIDE or at > 0 or len(words) == 1:
            found.append(word)
    return list(dict.fromkeys(found))[:SOUGHT_MAX]


def token_ids(tenant_id: str, found: Iterable[str]) -> list[int]:
    """The tokens of grams: signed numbers of 32 bits that differ from tenant to tenant."""
    seed = crc32(tenant_id.encode())
    return [(crc32(gram.encode(), seed) ^ 0x80000000) - 0x80000000 for gram in found]


def _windows(word: str, size: int) -> list[str]:
    return [word[at : at + size] for at in range(len(word) - size + 1)]
