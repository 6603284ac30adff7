"""The catalogue of events is current, and names every event that the code tells of."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from chassis.events.consumer import Consumer
from deploy.local.settings import ROOT
from services.gateway.events_document import catalogued, events_document
from services.identity.consumers import consumers as of_identity
from services.marketing.consumers import consumers as of_marketing
from services.reporting.consumers import NAMES

# Functions that write an event, and where among their arguments its name stands.
PLACES = {
    "Transition": 0, "record_update": 2, "insert_record": 4, "note_record": 4, "update_record": 5,
    "_set": 3, "_written": 4,
}  # fmt: skip
NAME = re.compile(r"[a-z_]+(\.[a-z_]+)?")


def test_the_committed_catalogue_is_current() -> None:
    committed = (ROOT / "docs" / "events.md").read_text("utf-8")
    assert committed == events_document(), "docs/events.md is old: run make events"


def test_every_event_of_the_code_is_in_the_catalogue() -> None:
    names = {one.split(".")[1] for one in catalogued()}
    sources = [path for of in ("chassis", "services") for path in (ROOT / of).rglob("*.py")]
    found = {one for path in sources for one in events_in(path)}
    assert {
        "session.revoked",
        "tenant.updated",
        "won",
        "suspended",
        "secret_added",
        "shared",
    } <= found
    assert {one for one in found if one not in (catalogued() if "." in one else names)} == set()


def test_consumers_hear_what_there_is() -> None:
    resources = {one.split(".")[0] for one in catalogued()}
    consumers: list[Consumer] = [*of_identity(), *of_marketing(), NAMES]
    heard = {name for one in consumers for source in one.sources for name in source.resources}
    assert heard
    assert heard <= resources


def events_in(path: Path) -> Iterator[str]:
    """The events that a module names by a literal, as "session.revoked" or "won"."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "EVENT":
            yield str(ast.literal_eval(node.value))
        if isinstance(node, ast.Call):
            name = getattr(node.func, "id", "") or getattr(node.func, "attr", "")
            if name == "record_event":
                resources, events = (literals(one) for one in node.args[2:4])
                yield from (f"{of}.{event}" for of in resources for event in events)
            elif name in PLACES and len(node.args) > PLACES[name]:
                yield from literals(node.args[PLACES[name]])


def literals(node: ast.expr) -> list[str]:
    """The texts that an expression may be."""
    texts = [str(one.value) for one in ast.walk(node) if isinstance(one, ast.Constant)]
    return [one for one in texts if NAME.fullmatch(one)]
