"""Every reason that our code can refuse with is told in both languages."""

import ast
import re
from collections.abc import Iterator

from services.gateway.catalogue import DETAILS, detail
from services.gateway.chinese import DETAILS as CHINESE
from tests.tidy.sources import python_sources

REASON = re.compile(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)+")
# Settings are read by name from the environment: those texts are no reasons.
READERS = {"get", "required", "address", "json_value", "setdefault"}


def test_every_reason_has_a_text_in_both_languages() -> None:
    reasons = set(_reasons())
    assert len(reasons) > 50
    assert not reasons - set(CHINESE) - set(DETAILS)


def test_a_reason_is_told_in_chinese() -> None:
    assert detail("RECORD_DELETED", {}, "zh") == CHINESE["RECORD_DELETED"]
    assert detail("RECORD_DELETED", {}, "en") is None


def _reasons() -> Iterator[str]:
    """First arguments of calls that look like a reason, in the chassis and the services."""
    ours = [source for source in python_sources() if source.inside("chassis", "services")]
    for source in ours:
        calls = [node for node in ast.walk(source.tree()) if isinstance(node, ast.Call)]
        for first in (node.args[0] for node in calls if node.args and not _reads(node.func)):
            if isinstance(first, ast.Constant) and REASON.fullmatch(str(first.value)):
                yield str(first.value)


def _reads(function: ast.expr) -> bool:
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    return name in READERS
