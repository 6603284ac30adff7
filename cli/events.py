"""crm events: live changes as Server-Sent Events (WHATWG HTML 9.2)."""

import json
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

import typer

from cli.client import ProblemError, UnreachableError
from cli.context import signed_in

RETRY_S = 2.0
app = typer.Typer(help="Live changes.", no_args_is_help=True)


@dataclass(frozen=True)
class Event:
    """One event of the stream."""

    id: str
    name: str
    data: str


@app.callback()
def events() -> None:
    """Live changes."""


@app.command()
def tail(
    last_event_id: Annotated[str, typer.Option(help="Begin after this event.")] = "",
    count: Annotated[int, typer.Option(min=0, help="End after so many; 0 never ends.")] = 0,
) -> None:
    """Print what changes as it happens, one JSON object a line; a lost connection is resumed."""
    shown = 0
    with signed_in() as client:
        while True:
            headers = {"accept": "text/event-stream"}
            headers |= {"last-event-id": last_event_id} if last_event_id else {}
            try:
                with client.lines("/v1/events", headers) as lines:
                    for event in parse(lines):
                        last_event_id = event.id or last_event_id
                        sys.stdout.write(as_line(event) + "\n")
                        sys.stdout.flush()
                        shown += 1
                        if shown == count:
                            return
            except UnreachableError as error:
                typer.echo(f"{error} Trying again.", err=True)
            except ProblemError as error:
                if error.status not in {401, 429, 503}:
                    raise
                typer.echo(f"{error}\nTrying again.", err=True)
            time.sleep(RETRY_S)


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
