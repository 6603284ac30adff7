"""crm login, logout, whoami."""

import sys
from typing import Annotated

import typer

from cli.client import Client, UnreachableError, session_from
from cli.context import local_file, open_store, signed_in
from cli.errors import CliError, ProblemError
from cli.output import print_json

Url = Annotated[str, typer.Option(help="Address of the gateway.")]
Email = Annotated[str, typer.Option(help="E-mail address to sign in with.")]
Login = Annotated[str, typer.Option(help="Login name, instead of an e-mail address.")]
Tenant = Annotated[str, typer.Option(help="Short name of the tenant, if the login is not unique.")]
Code = Annotated[str, typer.Option(help="Code of the authenticator, if there is one.")]
Password = Annotated[
    str, typer.Option(envvar="CRM_PASSWORD", help="Password; asked for when it is missing.")
]


def login(
    url: Url = "",
    email: Email = "",
    login: Login = "",
    tenant: Tenant = "",
    password: Password = "",
    code: Code = "",
) -> None:
    """Sign in; what is not given comes from .run/credentials.json of the local platform."""
    local = local_file("credentials.json")
    if not email and not login:
        if url and url.rstrip("/") != local.get("url"):
            raise CliError("Say who you are: --email or --login.")
        email = local.get("email", "")
        password = password or local.get("password", "")
        tenant = tenant or local.get("tenant", "")
    url = url or local.get("url", "")
    if not url or not (email or login):
        raise CliError("No local platform found: give --url and --email (or --login).")
    if not password:
        password = _ask_password()
    who = {"login": login} if login else {"email": email}
    client = Client(url, None)
    try:
        more = {name: value for name, value in {"tenant": tenant, "code": code}.items() if value}
        body = {**who, "password": password} | more
        session = session_from(url.rstrip("/"), client.change("POST", "/v1/sessions", body))
    finally:
        client.close()
    open_store().save(session)
    typer.echo(f"Signed in to {session.url} as {login or email}.")


def logout() -> None:
    """Sign out: the session ends on the server and is forgotten here."""
    store = open_store()
    if store.load() is None:
        typer.echo("You were not signed in.")
        return
    try:
        with signed_in() as client:
            client.change("DELETE", "/v1/sessions/current")
    except UnreachableError as error:
        raise CliError(f"{error}\nYou are still signed in.") from error
    except ProblemError as error:
        if error.status != 401:
            raise
    except CliError:
        pass  # the session had ended before
    store.forget()
    typer.echo("Signed out.")


def whoami() -> None:
    """Show the user who is signed in."""
    with signed_in() as client:
        print_json(client.read("/v1/users/me"))


def _ask_password() -> str:
    if not sys.stdin.isatty():
        raise CliError("Give the password: --password or CRM_PASSWORD.")
    answer: str = typer.prompt("Password", hide_input=True)
    return answer
