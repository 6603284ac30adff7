"""How converters report what they cannot take, and where it stands."""

from chassis.errors import InvalidArgument

ERRORS_MAX = 100
Problem = tuple[str, str]


class Refused(Exception):
    """Mistakes found in one value, each with its path from there ("" for the value itself)."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__(problems)
        self.problems = problems


def refuse(message: str) -> Refused:
    """A mistake in the value itself."""
    return Refused(("", message))


def below(key: str, refused: Refused) -> list[Problem]:
    """The mistakes of a value as seen from the object that has it under `key`."""
    return [(f"{key_text(key)}{_dotted(path)}", text) for path, text in refused.problems]


def at(index: int, refused: Refused) -> list[Problem]:
    """The mistakes of an item as seen from its array."""
    return [(f"[{index}]{_dotted(path)}", text) for path, text in refused.problems]


def key_text(key: str) -> str:
    """A key of the caller's as it may stand in an error: short and printable."""
    return key[:100].encode("ascii", "backslashreplace").decode("ascii")


def invalid_fields(problems: tuple[Problem, ...] | list[Problem]) -> InvalidArgument:
    """The error for fields that cannot be taken, at most 100 of them named."""
    named = [(path or "$", message) for path, message in problems[:ERRORS_MAX]]
    text = "; ".join(f"{path} {message}" for path, message in named[:5])
    return InvalidArgument("INVALID_FIELDS", f"{text}.", fields=named)


def _dotted(path: str) -> str:
    return path if not path or path.startswith("[") else f".{path}"
