"""Cuts an AIP-160 filter into tokens in one pass; every pattern is linear (no backtracking)."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from chassis.filter.tree import FilterError, Text, shown

FILTER_LENGTH_MAX = 4096
WILDCARDS_MAX = 10


class TokenKind(StrEnum):
    WORD = "word"
    STRING = "string"
    OPERATOR = "operator"
    OPEN = "open"
    CLOSE = "close"
    COMMA = "comma"
    END = "end"


@dataclass(frozen=True, slots=True)
class Token:
    kind: TokenKind
    text: str
    position: int

    @property
    def end(self) -> int:
        return self.position + len(self.text)


# A word that begins with a digit may hold colons, so that a bare RFC 3339 time is one word:
# a field never begins with a digit.
_TOKEN = re.compile(
    r"""\s*+(?:
      (?P<operator>[<>!]=|[=<>:])
    | (?P<open>\()
    | (?P<close>\))
    | (?P<comma>,)
    | (?P<string>"(?:[^"\\]|\\.)*+"|'(?:[^'\\]|\\.)*+')
    | (?P<word>[0-9](?:[^\s(),"'=<>!]|!(?!=))*+|(?:[^\s(),"'=<>!:]|!(?!=))++)
    | (?P<end>\Z)
    )""",
    re.VERBOSE | re.DOTALL,
)
_PIECE = re.compile(r"(\\.)|(\*)|[^\\*]++", re.DOTALL)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", '"': '"', "'": "'", "\\": "\\", "*": "*"}


def tokenize(text: str) -> list[Token]:
    """The tokens of a filter, the last of kind END; raises FilterError."""
    if len(text) > FILTER_LENGTH_MAX:
        raise FilterError(f"longer than {FILTER_LENGTH_MAX} characters", FILTER_LENGTH_MAX)
    _check_characters(text)
    return list(_tokens(text))


def _tokens(text: str) -> Iterator[Token]:
    position = 0
    while True:
        match = _TOKEN.match(text, position)
        if match is None:
            start = len(text) - len(text[position:].lstrip())
            raise FilterError("a string without its closing quote", start)
        kind = TokenKind(str(match.lastgroup))
        yield Token(kind, match[kind], match.start(kind))
        if kind is TokenKind.END:
            return
        position = match.end()


def _check_characters(text: str) -> None:
    # Neither can be bound: PostgreSQL has no NUL in text, UTF-8 has no half of a surrogate pair.
    if "\0" in text:
        raise FilterError("a NUL character", text.index("\0"))
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise FilterError("a character that is not valid Unicode", error.start) from None


def text_of(token: Token) -> Text:
    """The value of a WORD or STRING token: escapes resolved, cut at wildcards."""
    quoted = token.kind is TokenKind.STRING
    parts = _string_parts(token) if quoted else token.text.split("*")
    if len(parts) - 1 > WILDCARDS_MAX:
        raise FilterError(f"more than {WILDCARDS_MAX} wildcards in a string", token.position)
    return Text(tuple(parts), quoted, token.position)


def _string_parts(token: Token) -> list[str]:
    parts = [""]
    for piece in _PIECE.finditer(token.text, 1, len(token.text) - 1):
        escape, wildcard = piece[1], piece[2]
        if wildcard:
            parts.append("")
        elif not escape:
            parts[-1] += piece[0]
        elif escape[1] in _ESCAPES:
            parts[-1] += _ESCAPES[escape[1]]
        else:
            message = f"unknown escape {shown(escape)}; allowed: \\n \\t \\r \\\" \\' \\\\ \\*"
            raise FilterError(message, token.position + piece.start())
    return parts
