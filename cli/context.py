"""What every command needs: where the gateway is, who is signed in."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cli.client import Client
from cli.errors import CliError
from cli.store import Store, config_path


def open_store() -> Store:
    """The session file of this user."""
    return Store(config_path(os.environ))


@contextmanager
def signed_in() -> Iterator[Client]:
    """A client with the stored session; CliError when nobody is signed in."""
    store = open_store()
    session = store.load()
    if session is None:
        raise CliError("You are not signed in: run crm login.")
    client = Client(session.url, store)
    try:
        yield client
    finally:
        client.close()


def run_dir() -> Path:
    """State of the local runner, below this folder unless RUN_DIR says otherwise."""
    return Path(os.environ.get("RUN_DIR", ".run"))


def local_file(name: str) -> dict[str, str]:
    """A JSON file that `make up` has written, empty when there is none."""
    try:
        stored = json.loads((run_dir() / name).read_text())
    except (OSError, ValueError):
        return {}
    if not isinstance(stored, dict):
        return {}
    return {str(key): value for key, value in stored.items() if isinstance(value, str)}
