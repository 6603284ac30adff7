"""crm import and crm import-export."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from cli.context import signed_in
from cli.dataset import import_dataset
from cli.importing import bar, run_import, start_import
from cli.spec import Options, Spec, spec_from

Folder = Annotated[Path, typer.Argument(help="Folder of the CRM Sales Opportunities files.")]
Texts = list[str] | None


@dataclass(frozen=True)
class Import:
    """What `crm import` is told."""

    file: Annotated[Path, typer.Argument(help="CSV in UTF-8 (1 GiB) or XLSX (100 MiB).")]
    resource: Annotated[str, typer.Option(help="Collection to import into.")] = ""
    mapping: Annotated[Path | None, typer.Option(help="JSON file with the mapping.")] = None
    maps: Annotated[Texts, typer.Option("--map", help="column=field[:match].")] = None
    values: Annotated[Texts, typer.Option("--value", help="column:cell=meaning.")] = None
    defaults: Annotated[Texts, typer.Option("--default", help="field=value.")] = None
    external_source: Annotated[str, typer.Option(help="System that the file is from.")] = ""
    sheet: Annotated[str, typer.Option(help="Sheet of an XLSX file (else the first).")] = ""
    validate_only: Annotated[bool, typer.Option("--validate-only", help="Change nothing.")] = False
    wait: Annotated[bool, typer.Option(help="Wait for the end.")] = True

    def spec(self) -> Spec:
        """How to read the file."""
        return spec_from(
            Options(
                resource=self.resource,
                mapping=self.mapping,
                maps=self.maps or (),
                values=self.values or (),
                defaults=self.defaults or (),
                external_source=self.external_source,
                sheet=self.sheet,
            )
        )


def import_file(options: Import) -> None:
    """Import a CSV or XLSX file; exit code 1 when rows failed (see <file>.errors.csv)."""
    spec, check = options.spec(), options.validate_only
    with signed_in() as client:
        if not options.wait:
            with bar() as progress:
                started = start_import(client, options.file, spec, check, progress)
            typer.echo(started)
            return
        outcome = run_import(client, options.file, spec, validate_only=check)
    typer.echo(outcome.text())
    if outcome.counts["failed"]:
        raise typer.Exit(1)


def import_export(folder: Folder) -> None:
    """Import the public CRM Sales Opportunities data set: departments, users, ... opportunities."""
    with signed_in() as client:
        failed = import_dataset(client, folder, typer.echo)
    if failed:
        raise typer.Exit(1)
