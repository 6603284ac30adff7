"""Which passwords are good enough (NIST SP 800-63B-4, 3.1.1.2): long, not common, not one's name.

No rule says which characters it must have.
"""

import re
from collections.abc import Iterable, Iterator

from services.identity.domain.common_password import ROWS, WORDS

LENGTH_MAX = 200
# Shorter parts of names ("Li") are in too many good passwords; a Chinese name has two characters.
WORD_LENGTH_MIN = 4
RUN_LENGTH_MIN = 3
# Up to this length a number with a few letters is somebody's telephone number or birthday.
NUMBER_LENGTH_MAX = 14
PIECES_MAX = 2
_ENDS = re.compile(r"^[\W\d_]+|[\W\d_]+$")
_NUMBER = re.compile(r"[a-z]{0,3}\d+[a-z]{0,3}")
_LEET = str.maketrans("013457@$!", "oleastasi")


def refusal(password: str, length_min: int, context: Iterable[str]) -> str | None:
    """What to do about a password that is not good enough; None when it is.

    `context` are names of the user and of his tenant.
    """
    if len(password) < length_min:
        return f"Use at least {length_min} characters."
    if len(password) > LENGTH_MAX:
        return f"Use at most {LENGTH_MAX} characters."
    folded = password.casefold()
    if any(word in folded for text in context for word in _words(text)):
        return "Leave out your name, your login and the name of your company."
    if is_common(folded):
        return "Many people use passwords like this; choose another one."
    return None


def is_common(folded: str) -> bool:
    """Whether a case-folded password is what people choose first: a common word or a row of keys,
    twice at most, with numbers or signs around.
    """
    bare = "".join(folded.split())
    number = len(bare) <= NUMBER_LENGTH_MAX and _NUMBER.fullmatch(bare)
    if number or len(set(bare)) < RUN_LENGTH_MIN:
        return True
    plain = _ENDS.sub("", bare)
    shapes = {bare, plain, plain.translate(_LEET), _ENDS.sub("", bare.translate(_LEET))}
    return any(_is_made_of_pieces(one, PIECES_MAX) for one in shapes) or _repeats(bare)


def _words(text: str) -> Iterator[str]:
    for word in re.split(r"[\W_]+", text.casefold()):
        if len(word) >= (WORD_LENGTH_MIN if word.isascii() else 2):
            yield word


def _is_made_of_pieces(text: str, pieces: int) -> bool:
    if not text:
        return True
    return pieces > 0 and any(
        _is_made_of_pieces(text[length:], pieces - 1) for length in _piece_lengths(text)
    )


def _piece_lengths(text: str) -> Iterator[int]:
    """Lengths of the common pieces that the text begins with, the longest of each kind."""
    yield from (len(word) for word in WORDS if text.startswith(word))
    for row in ROWS:
        length = RUN_LENGTH_MIN
        while text[:length] in row and length <= len(text):
            length += 1
        if length > RUN_LENGTH_MIN:
            yield length - 1
    same = len(text) - len(text.lstrip(text[0]))
    if same >= RUN_LENGTH_MIN:
        yield same


def _repeats(text: str) -> bool:
    """Whether the text is a short part (up to six characters) again and again: "ab12ab12ab12"."""
    at = (text + text).find(text, 1)
    return at < len(text) and at <= 6
