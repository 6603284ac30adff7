"""What `crm import` sends with a file: an ImportSpec as JSON, from a mapping file and options."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cli.errors import CliError

_MAP = re.compile(r"(?P<column>.+?)=(?P<field>[a-z][a-z0-9_.]*)(?::(?P<match>[a-z][a-z0-9_]*))?")
_VALUE = re.compile(r"(?P<column>[^:]+):(?P<cell>[^=]*)=(?P<means>.*)", re.DOTALL)
_DEFAULT = re.compile(r"(?P<field>[a-z][a-z0-9_.]*)=(?P<value>.*)", re.DOTALL)

Column = dict[str, object]


@dataclass(frozen=True)
class Options:
    """The options of the command that say how to read a file."""

    resource: str = ""
    mapping: Path | None = None
    maps: Sequence[str] = ()
    values: Sequence[str] = ()
    defaults: Sequence[str] = ()
    external_source: str = ""
    sheet: str = ""


@dataclass
class Spec:
    """An ImportSpec; `columns` as in the mapping file."""

    resource: str = ""
    external_source: str = ""
    columns: list[Column] = field(default_factory=list)
    defaults: dict[str, str] = field(default_factory=dict)
    sheet: str = ""

    def as_json(self, *, validate_only: bool) -> str:
        """The text that the gateway takes; what is empty is left out."""
        body: dict[str, object] = {"resource": self.resource, "columns": self.columns}
        if self.external_source:
            body["external_source"] = self.external_source
        if self.defaults:
            body["defaults"] = self.defaults
        if self.sheet:
            body["sheet"] = self.sheet
        if validate_only:
            body["validate_only"] = True
        return json.dumps(body, ensure_ascii=False)


def spec_from(options: Options) -> Spec:
    """The mapping file, then the options over it; CliError for what is not understood."""
    spec = read_mapping(options.mapping) if options.mapping is not None else Spec()
    spec.resource = options.resource or spec.resource
    spec.external_source = options.external_source or spec.external_source
    spec.sheet = options.sheet or spec.sheet
    for text in options.maps:
        _map(spec, text)
    for text in options.values:
        _value(spec, text)
    for text in options.defaults:
        found = _DEFAULT.fullmatch(text)
        if found is None:
            raise CliError(f"--default {text}: write field=value.")
        spec.defaults[found["field"]] = found["value"]
    if not spec.resource:
        raise CliError("Name what to import into: --resource.")
    if not spec.columns:
        raise CliError("Say which column is which field: --mapping or --map.")
    return spec


def read_mapping(path: Path) -> Spec:
    """A mapping file."""
    try:
        stored = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise CliError(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise CliError(f"{path}: not valid JSON: {error}") from error
    if not isinstance(stored, dict):
        raise CliError(f"{path} holds no JSON object.")
    unknown = set(stored) - {"resource", "external_source", "columns", "defaults", "sheet"}
    if unknown:
        raise CliError(f"{path}: {', '.join(sorted(unknown))} is not known in a mapping.")
    columns, defaults = stored.get("columns", []), stored.get("defaults", {})
    if not isinstance(columns, list) or not all(isinstance(one, dict) for one in columns):
        raise CliError(f"{path}: columns must be a list of objects.")
    if not isinstance(defaults, dict):
        raise CliError(f"{path}: defaults must be an object.")
    return Spec(
        resource=str(stored.get("resource", "")),
        external_source=str(stored.get("external_source", "")),
        columns=[dict(one) for one in columns],
        defaults={str(name): str(value) for name, value in defaults.items()},
        sheet=str(stored.get("sheet", "")),
    )


def _map(spec: Spec, text: str) -> None:
    found = _MAP.fullmatch(text)
    if found is None:
        raise CliError(f"--map {text}: write column=field or column=field:match.")
    column: Column = {"column": found["column"], "field": found["field"]}
    if found["match"]:
        column["match"] = found["match"]
    same = [one for one in spec.columns if _same(one, column)]
    for one in same:
        spec.columns.remove(one)
    spec.columns.append(column)


def _same(one: Mapping[str, object], other: Mapping[str, object]) -> bool:
    return one.get("column") == other["column"] and one.get("field") == other["field"]


def _value(spec: Spec, text: str) -> None:
    found = _VALUE.fullmatch(text)
    if found is None:
        raise CliError(
            f'--value {text}: write column:cell=meaning, as in product:GTXPro="GTX Pro".'
        )
    columns = [one for one in spec.columns if one.get("column") == found["column"]]
    if not columns:
        raise CliError(f"--value {text}: column {found['column']} is not mapped.")
    for column in columns:
        values = column.setdefault("values", {})
        if isinstance(values, dict):
            values[found["cell"]] = found["means"]
