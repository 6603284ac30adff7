"""The command line that all services share: run, migrate, revision."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import MetaData

from chassis.db.migrate import new_revision, upgrade
from chassis.settings import required


def main(service: str, folder: Path, metadata: MetaData, serve: Callable[[], None]) -> None:
    """`python -m services.x` serves; with `migrate` it migrates; with `revision TEXT` it drafts a
    revision.
    """
    arguments = sys.argv[1:]
    migrations = folder / "migrations"
    match arguments:
        case []:
            serve()
        case ["migrate"]:
            upgrade(service, migrations, metadata, required(os.environ, "MIGRATION_DATABASE_URL"))
        case ["revision", message]:
            url = required(os.environ, "MIGRATION_DATABASE_URL")
            new_revision(migrations, metadata, url, message)
        case _:
            sys.exit(f"usage: python -m services.{service} [migrate | revision TEXT]")
