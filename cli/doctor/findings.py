"""How a check ends: findings, each with what to do next."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeAlias

from cli.doctor.facts import Facts

RUNBOOKS: Final = "docs/operations/runbooks"


class State(StrEnum):
    """How a check ended."""

    OK = "ok"
    WRONG = "wrong"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Finding:
    """One line: what was checked, what was found, what to do next."""

    state: State
    check: str
    text: str
    next: str = ""


@dataclass(frozen=True)
class Result:
    """Problems with what to do about each; else what is well, "" for: could not be looked at."""

    problems: Sequence[tuple[str, str]]
    well: str
    unknown: str = "not told where"


Check: TypeAlias = Callable[[Facts], Result]


def runbook(alert: str) -> str:
    """The page that says what to do."""
    return f"{RUNBOOKS}/{alert}.md"


def inside(service: str, command: str) -> str:
    """How the command of a service is given in a cluster."""
    return f"kubectl -n crm exec deploy/{service} -- {command}"


def judge(checks: Mapping[str, Check], facts: Facts) -> list[Finding]:
    """Findings of the checks by name: one that all is well, or one for each problem."""
    return [finding for name, check in checks.items() for finding in _found(name, check(facts))]


def _found(name: str, result: Result) -> list[Finding]:
    if result.problems:
        return [Finding(State.WRONG, name, text, next_) for text, next_ in result.problems]
    if not result.well:
        return [Finding(State.UNKNOWN, name, f"not checked: {result.unknown}")]
    return [Finding(State.OK, name, result.well)]
