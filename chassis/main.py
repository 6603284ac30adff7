"""The command line that all services share: run, migrate, migrated, revision, parked."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import MetaData

from chassis.app import Run, run
from chassis.db.migrate import new_revision, upgrade, wait_until_migrated
from chassis.parked import replay, show_parked
from chassis.settings import required
from chassis.telemetry.logs import configure_logs


def main(service: str, folder: Path, metadata: MetaData, serve: Callable[[Run], None]) -> None:
    """`python -m services.x` serves; with `migrate` it migrates, with `migrated` it waits until
    somebody has; with `revision TEXT` it drafts a revision; with `parked` it shows parked messages,
    with `parked replay` it applies them.
    """
    arguments = sys.argv[1:]
    migrations = folder / "migrations"
    match arguments:
        case []:
            serve(run)
        case ["parked"]:
            serve(show_parked)
        case ["parked", "replay"]:
            serve(replay)
        case ["migrate"]:
            configure_logs(service, "INFO")
            upgrade(service, migrations, metadata, required(os.environ, "MIGRATION_DATABASE_URL"))
        case ["migrated"]:
            configure_logs(service, "INFO")
            wait_until_migrated(migrations, required(os.environ, "WORKER_DATABASE_URL"))
        case ["revision", message]:
            url = required(os.environ, "MIGRATION_DATABASE_URL")
            new_revision(service, migrations, metadata, url, message)
        case _:
            usage = "[migrate | migrated | revision TEXT | parked [replay]]"
            sys.exit(f"usage: python -m services.{service} {usage}")
