"""Every table and column of every service is in a tenant's export, or left out for a reason."""

import re
from collections.abc import Iterator
from importlib import import_module
from typing import Final

import pytest
from sqlalchemy import LargeBinary, MetaData, Table

from chassis.search.table import SUFFIX
from deploy.local.settings import SERVICES
from deploy.tenants.contents import EVERYWHERE, LEFT_OUT, OF_SERVICE, WITHHELD, is_exported
from deploy.tenants.errors import TenantError

SECRET: Final = re.compile(r"hash|secret|token|password|sealed|salt|recovery|(^|_)keys?$")
# Columns that are called like secrets and are none.
SHOWN: Final = {
    "api_client.secrets": "the ends and times that administrators see, no secret",
    "log_entry.hash": "proves that the entry is part of the chain",
    "log_entry.personal_hash": "as above, for what may be erased",
    "log_entry.salt": "with the name and the address beside it, it proves personal_hash",
    "log_head.hash": "the end of the chain",
    "log_head.root_hash": "the last one that is signed",
    "role.key": "the name of a ready-made role",
    "tenant.password_length_min": "a setting",
    "user.password_change_required": "a setting",
    "user.password_update_time": "a time",
}


def declared(service: str) -> dict[str, Table]:
    """The tables of a service that hold tenants' rows."""
    metadata: MetaData = import_module(f"services.{service}.models.tables").metadata
    return {one.name: one for one in metadata.sorted_tables if "tenant_id" in one.c}


def exported() -> Iterator[Table]:
    """The tables of all services that are in an export."""
    for service in SERVICES:
        yield from (one for name, one in declared(service).items() if is_exported(service, name))


@pytest.mark.parametrize("service", SERVICES)
def test_every_table_is_exported_or_left_out_for_a_reason(service: str) -> None:
    tables = declared(service)
    named = {*EVERYWHERE, *OF_SERVICE[service]}
    assert named <= tables.keys()
    assert not named & LEFT_OUT.keys()
    without = {name for name in tables if not name.endswith(SUFFIX)} - named
    assert without <= LEFT_OUT.keys(), "say in contents.py what becomes of a new table"
    assert {name for name in tables if is_exported(service, name)} == named


def test_what_is_left_out_exists() -> None:
    names = {name for service in SERVICES for name in declared(service)}
    assert names >= LEFT_OUT.keys()
    columns = {f"{table.name}.{column.name}" for table in exported() for column in table.c}
    assert columns >= WITHHELD.keys() | SHOWN.keys()
    with pytest.raises(TenantError, match="newer crm"):
        is_exported("sales", "quote_of_next_year")


def test_no_column_that_may_be_a_secret_is_exported() -> None:
    suspects = {
        f"{table.name}.{column.name}"
        for table in exported()
        for column in table.c
        if SECRET.search(column.name) or isinstance(column.type, LargeBinary)
    }
    assert suspects - WITHHELD.keys() == SHOWN.keys()
