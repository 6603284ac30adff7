"""crm version: which version serves, and what is new in it."""

import os
from typing import Annotated

import typer

from cli.client import Client
from cli.context import open_store
from cli.doctor.places import places
from cli.errors import CliError
from cli.records import items


def version(
    url: Annotated[
        str, typer.Option(help="Address of the gateway; else that of the session.")
    ] = "",
) -> None:
    """Show the version that serves and what is new in it."""
    session = open_store().load()
    address = url or (session.url if session else "") or places("", (), ()).url
    if not address:
        raise CliError("Say where: --url or CRM_URL.")
    client = Client(address, None)
    try:
        told = client.read("/v1/release")
    finally:
        client.close()
    language = "zh" if os.environ.get("LANG", "").startswith("zh") else "en"
    typer.echo(f"{told['version']} of {told['date']} at {address}")
    for note in items({"notes": told["notes"]}):
        typer.echo(f"- {note[language]}")
