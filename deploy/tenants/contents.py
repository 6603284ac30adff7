"""What of a tenant an export holds: every table and column that it leaves out has its reason here.

tests/unit/deploy/test_tenant_contents.py compares this with the tables that services declare.
"""

from collections.abc import Mapping
from typing import Final

from chassis.search.table import SUFFIX as SEARCH
from deploy.tenants.catalog import Table
from deploy.tenants.errors import TenantError

EVERYWHERE: Final = ("change", "choice", "custom_field", "number_series", "share")
OF_SERVICE: Final[Mapping[str, tuple[str, ...]]] = {
    "identity": (
        "announcement", "announcement_receipt", "api_client", "department", "log_entry", "log_head",
        "log_root", "preferences", "role", "tenant", "user",
    ),
    "customer": ("contact", "customer"),
    "sales": ("opportunity", "pipeline", "product", "stage", "stage_move"),
    "marketing": ("campaign", "campaign_member"),
    "reporting": (),
}  # fmt: skip
_SECRET: Final = "secret: proves who somebody is"  # noqa: S105  # a reason, no secret
_REPLICA: Final = "replica: its owner's table is in the export"
_DERIVED: Final = "made from other tables of the export"
_BOOKKEEPING: Final = "bookkeeping of the platform, short-lived"
LEFT_OUT: Final[Mapping[str, str]] = {
    "access_record": _REPLICA,
    "reference": _REPLICA,
    "custom_value": _DERIVED,
    "opportunity_fact": _DERIVED,
    "pipeline_rollup": _DERIVED,
    "rebuilt_fact": _DERIVED,
    "api_client_secret": _SECRET,
    "client_token": _SECRET,
    "credential": _SECRET,
    "password_reset": _SECRET,
    "second_factor": _SECRET,
    "session": _SECRET,
    "attempt": "of no tenant: what was tried is kept as a hash for minutes",
    "reset_request": "of no tenant: looked up within seconds",
    "consumer_position": _BOOKKEEPING,
    "idempotency": _BOOKKEEPING,
    "inbox": _BOOKKEEPING,
    "mail": _BOOKKEEPING,
    "operation": _BOOKKEEPING,
    "operation_error": _BOOKKEEPING,
    "operation_item": _BOOKKEEPING,
    "operation_later": _BOOKKEEPING,
    "parked": _BOOKKEEPING,
}
WITHHELD: Final[Mapping[str, str]] = {
    "change.lane": _BOOKKEEPING,
    "change.publish_time": _BOOKKEEPING,
    "change.representation": "the record itself is in its table, what was before in `changes`",
    "change.seq": _BOOKKEEPING,
    "change.traceparent": _BOOKKEEPING,
}


def is_exported(service: str, name: str) -> bool:
    """Whether a table is in the export; TenantError for one that nobody has decided about."""
    if name in EVERYWHERE or name in OF_SERVICE[service]:
        return True
    if name in LEFT_OUT or name.endswith(SEARCH):
        return False
    raise TenantError(f"{service} has a table {name} that this crm does not know: use a newer crm")


def columns(table: Table) -> list[str]:
    """The columns of a table that are in the export."""
    return [name for name in table.columns if f"{table.name}.{name}" not in WITHHELD]
