"""The tree an AIP-160 filter parses to, and the one error a filter can raise.

Values keep their spelling: what `007` means is decided by the kind of the field it meets.
"""

from dataclasses import dataclass, field

from chassis.errors import InvalidArgument

SHOWN_LENGTH_MAX = 40


class FilterError(InvalidArgument):
    """A filter the caller must correct; `position` is the offset in characters, from 0."""

    def __init__(self, message: str, position: int) -> None:
        text = f"{message}, at offset {position} of the filter"
        super().__init__(
            "FILTER_INVALID",
            text,
            metadata={"problem": message, "position": str(position)},
            fields=(("filter", text),),
        )
        self.position = position


@dataclass(frozen=True, slots=True)
class Text:
    """A word or a quoted string, cut at its unescaped `*`: `a*b` is ("a", "b")."""

    parts: tuple[str, ...]
    quoted: bool = False
    position: int = field(default=0, compare=False)

    @property
    def plain(self) -> str | None:
        """The text, or None when it has a wildcard."""
        return self.parts[0] if len(self.parts) == 1 else None


@dataclass(frozen=True, slots=True)
class Call:
    """A function in the place of a value: `days_ago(7)`."""

    name: str
    arguments: tuple[Text, ...] = ()
    position: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Restriction:
    """One comparison: `amount.currency_code = "CNY"`; the operator is one of OPERATORS."""

    path: str
    operator: str
    value: Text | Call
    position: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Search:
    """A bare word or string, to be searched for."""

    text: Text
    position: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Not:
    term: "Expression"


@dataclass(frozen=True, slots=True)
class And:
    """At least two terms; what stands side by side without a word between is AND as well."""

    terms: tuple["Expression", ...]


@dataclass(frozen=True, slots=True)
class Or:
    """At least two terms."""

    terms: tuple["Expression", ...]


Expression = And | Or | Not | Restriction | Search
OPERATORS = ("=", "!=", "<", "<=", ">", ">=", ":")


def shown(text: str) -> str:
    """The caller's own text, quoted and cut so that an error stays short."""
    return repr(text if len(text) <= SHOWN_LENGTH_MAX else text[:SHOWN_LENGTH_MAX] + "...")
