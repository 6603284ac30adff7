"""crm events: live changes as Server-Sent Events (WHATWG HTML 9.2), and what was parked."""

import json
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

import typer

from cli.client import Client, ProblemError, UnreachableError
from cli.context import signed_in
from cli.repair import parked, replay

RETRY_S = 2.0
# The first event of each connection tells which version serves.
RELEASE = "release"
PASSING = frozenset({401, 429, 503})
app = typer.Typer(help="Events: live, parked, applied again.", no_args_is_help=True)
app.command("parked")(parked)
app.command("replay")(replay)


@dataclass(frozen=True)
class Event:
    """One event of the stream."""

    id: str
    name: str
    data: str


@app.command()
def tail(
    last_event_id: Annotated[str, typer.Option(help="Begin after this event.")] = "",
    count: Annotated[int, typer.Option(min=0, help="End after so many; 0 never ends.")] = 0,
) -> None:
    """Print what changes as it happens, one JSON object a line; a lost connection is resumed."""
    with signed_in() as client:
        for shown, event in enumerate(follow(client, last_event_id), 1):
            sys.stdout.write(as_line(event) + "\n")
            sys.stdout.flush()
            if shown == count:
                return


def follow(client: Client, last_event_id: str) -> Iterator[Event]:
    """Events without end; after a lost connection from the last one on."""
    notice = Notice()
    while True:
        try:
            for event in filter(notice.passes, received(client, last_event_id)):
                last_event_id = event.id or last_event_id
                yield event
        except UnreachableError as error:
            typer.echo(f"{error} Trying again.", err=True)
        except ProblemError as error:
            if error.status not in PASSING:
                raise
            typer.echo(f"{error}\nTrying again.", err=True)
        time.sleep(RETRY_S)


class Notice:
    """Tells somebody who has followed one version when another one serves."""

    def __init__(self) -> None:
        self._version = ""

    def passes(self, event: Event) -> bool:
        """Whether the event is a change, and not the notice of a release."""
        if event.name != RELEASE:
            return True
        before, self._version = self._version, str(json.loads(event.data)["version"])
        if before not in {"", self._version}:
            told = f"Version {self._version} serves now instead of {before}: see crm version."
            typer.echo(told, err=True)
        return False


def received(client: Client, last_event_id: str) -> Iterator[Event]:
    """The events of one connection."""
    headers = {"accept": "text/event-stream"}
    headers |= {"last-event-id": last_event_id} if last_event_id else {}
    with client.lines("/v1/events", headers) as lines:
        yield from parse(lines)


def parse(lines: Iterator[str]) -> Iterator[Event]:
    """Events of a stream of lines; comments and retry hints are passed over."""
    event_id, name, data = "", "message", list[str]()
    for line in lines:
        if not line:
            if data:
                yield Event(event_id, name, "\n".join(data))
            name, data = "message", []
            continue
        key, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if key == "id":
            event_id = value
        elif key == "event":
            name = value
        elif key == "data":
            data.append(value)


def as_line(event: Event) -> str:
    """The event as one line of JSON with the id to resume from."""
    try:
        data = json.loads(event.data)
    except ValueError:
        data = {"data": event.data}
    body = data if isinstance(data, dict) else {"data": data}
    return json.dumps({"event_id": event.id, "name": event.name, **body}, ensure_ascii=False)
