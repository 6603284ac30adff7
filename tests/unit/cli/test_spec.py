"""How `crm import` reads its mapping."""

import json
from pathlib import Path

import pytest
from google.protobuf.json_format import ParseDict

from cli.dataset import MAPPINGS, STEPS
from cli.errors import CliError
from cli.spec import Options, Spec, read_mapping, spec_from
from crm.chassis.v1.import_pb2 import ImportSpec


def test_options_make_the_spec() -> None:
    spec = spec_from(
        Options(
            resource="opportunities",
            maps=["product=product_id:name", "close_value=amount.amount"],
            values=["product:GTXPro=GTX Pro"],
            defaults=["amount.currency_code=USD"],
            external_source="export",
            sheet="2024",
        )
    )
    assert json.loads(spec.as_json(validate_only=True)) == {
        "resource": "opportunities",
        "external_source": "export",
        "columns": [
            {
                "column": "product",
                "field": "product_id",
                "match": "name",
                "values": {"GTXPro": "GTX Pro"},
            },
            {"column": "close_value", "field": "amount.amount"},
        ],
        "defaults": {"amount.currency_code": "USD"},
        "sheet": "2024",
        "validate_only": True,
    }


def test_options_win_over_the_mapping_file(tmp_path: Path) -> None:
    path = tmp_path / "mapping.json"
    column = {"column": "n", "field": "name"}
    path.write_text(json.dumps({"resource": "customers", "columns": [column]}))
    spec = spec_from(Options(resource="products", mapping=path, maps=["n=name:external_id"]))
    assert spec == Spec("products", "", [{**column, "match": "external_id"}], {})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (Options(), "--resource"),
        (Options(resource="customers"), "--map"),
        (Options(resource="customers", maps=["name"]), "--map name"),
        (Options(resource="customers", maps=["n=name"], values=["x"]), "--value x"),
        (Options(resource="customers", maps=["n=name"], values=["x:a=b"]), "is not mapped"),
        (Options(resource="customers", maps=["n=name"], defaults=["kind"]), "--default kind"),
    ],
)
def test_wrong_options_are_named(options: Options, message: str) -> None:
    with pytest.raises(CliError, match=message):
        spec_from(options)


@pytest.mark.parametrize("text", ["{", "[]", '{"column": []}', '{"columns": 3}', '{"defaults": 3}'])
def test_wrong_mapping_files_are_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "mapping.json"
    path.write_text(text)
    with pytest.raises(CliError):
        read_mapping(path)


@pytest.mark.parametrize("name", [step.mapping for step in STEPS])
def test_mappings_of_the_data_set_are_import_specs(name: str) -> None:
    spec = read_mapping(MAPPINGS / f"{name}.json")
    parsed = ParseDict(json.loads(spec.as_json(validate_only=False)), ImportSpec())
    assert parsed.columns[0].field == "external_id"
    assert parsed.external_source == "crm-sales-opportunities"
