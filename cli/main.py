"""The command line itself: which commands there are, and how errors end it."""

import os
import sys

import typer

from cli import (
    bulk,
    events,
    imports,
    log,
    operations,
    records,
    release,
    repair,
    reports,
    session,
    tenant,
)
from cli.doctor.command import doctor
from cli.errors import CliError
from cli.options import command
from deploy.backup import commands as backup
from deploy.backup.errors import BackupError
from deploy.local.errors import RunnerError
from deploy.tenants.errors import TenantError

app = typer.Typer(
    help="A client of the CRM platform.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.command("login")(session.login)
app.command("logout")(session.logout)
app.command("whoami")(session.whoami)
app.command("get")(records.get)
app.command("list")(command(records.list_records, records.Listing))
app.command("create")(records.create)
app.command("update")(records.update)
app.command("delete")(records.delete)
app.command("undelete")(records.undelete)
app.command("do")(records.do)
app.command("import")(command(imports.import_file, imports.Import))
app.command("export")(command(bulk.export, bulk.Export))
app.command("bulk")(command(bulk.bulk, bulk.Bulk))
app.command("import-export")(imports.import_export)
app.command("doctor")(doctor)
app.command("version")(release.version)
app.add_typer(operations.app, name="operations")
app.add_typer(reports.app, name="report")
app.add_typer(events.app, name="events")
app.add_typer(log.app, name="log")
app.add_typer(tenant.app, name="tenant")
app.add_typer(backup.app, name="backup")
app.add_typer(repair.reporting, name="reporting")


def main() -> int:
    """Run the command; what goes wrong is said in words, with exit code 1."""
    try:
        app()
    except (CliError, BackupError, RunnerError, TenantError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        # Whoever read our output has gone; the interpreter must not complain when it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
