"""What roles decide in the methods that every signed-in caller may call: the verb that each needs
on the collection its request names, and a request that asks for nothing else.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from google.protobuf.json_format import ParseDict
from google.protobuf.message import Message

from chassis.rpc.methods import method_facts

STRANGE: Final = "0190c0f0-0000-7000-8000-000000000000"
# One collection of each service, whose records are shared one by one.
ASKED: Final[Mapping[str, str]] = {
    "identity": "api_clients", "customer": "customers", "sales": "opportunities",
    "marketing": "campaigns",
}  # fmt: skip
ANY_VERB: Final = ""
CHANGES: Final = ("Create", "Update", "Delete", "Undelete", "BatchCreate", "BatchUpdate",
                  "BatchDelete")  # fmt: skip
READS: Final = ("Get", "List", "BatchGet")
# What is left is the caller's own (sessions, preferences, operations), or has tests of its own: an
# upload is in the matrix, an explanation in test_explain.
OWN: Final = frozenset(
    {"crm.chassis.v1.OperationService", "crm.chassis.v1.AccessService",
     "crm.identity.v1.SessionService", "crm.identity.v1.CredentialService",
     "crm.identity.v1.PreferencesService", "crm.identity.v1.UserService",
     "crm.identity.v1.LogEntryService", "crm.identity.v1.AnnouncementReceiptService"}
)  # fmt: skip
UPLOAD: Final = "crm.chassis.v1.ImportService/UploadFile"
# Fields of requests by name, as far as a request has them.
FIELDS: Final[Mapping[str, object]] = {
    "id": STRANGE,
    "record_id": STRANGE,
    "ids": [STRANGE],
    "field": "external_id",
    "external_source": "x",
    "values": ["x"],
    "file_id": "x",
    "share": {"user_id": STRANGE},
    "action": {"delete": {}},
    "custom_field": {"id": STRANGE, "name": "x", "label": "x"},
    "choice": {"id": STRANGE, "field": STRANGE, "label": "x"},
    "spec": {},
}
NEW: Final = {"custom_field": {"name": "x", "label": "x"},
              "choice": {"field": STRANGE, "label": "x"}}  # fmt: skip


def _verbs() -> Iterator[tuple[str, str]]:
    yield from {
        "BulkService/PreviewBulk": "DELETE",
        "BulkService/CreateBulk": "DELETE",
        "ExportService/CreateExport": "EXPORT",
        "ImportService/CreateImport": "IMPORT",
        "HistoryService/ListHistory": "READ",
        "DescribeService/DescribeResource": ANY_VERB,
        "LookupService/LookupRecords": "READ",
        "LookupService/GetLabels": "READ",
        "PurgeService/PurgeRecord": "DELETE",
        "CustomFieldIndexService/BuildCustomFieldIndex": "CONFIGURE",
        "CustomFieldIndexService/DropCustomFieldIndex": "CONFIGURE",
        **{f"ShareService/{one}": "SHARE" for one in ("ListShares", "CreateShare", "DeleteShare")},
    }.items()
    for name in ("CustomField", "Choice"):
        yield f"HistoryService/List{name}History", "READ"
        for method in (*CHANGES, *READS):
            plural = "s" if method == "List" or method.startswith("Batch") else ""
            verb = "CONFIGURE" if method in CHANGES else "READ"
            yield f"{name}Service/{method}{name}{plural}", verb


# Verb by full name of the method.
BY_ROLE: Final = {f"crm.chassis.v1.{name}": verb for name, verb in _verbs()}


def asking(method: str, resource: str) -> Message:
    """A request that is right but for records that there are not."""
    service, _, name = method.partition("/")
    kind = method_facts(service)[name].request
    values = {one: value for one, value in FIELDS.items() if one in kind.DESCRIPTOR.fields_by_name}
    creates = "Create" in name
    if creates:
        values |= {one: value for one, value in NEW.items() if one in values}
    if name.startswith("Batch") and "requests" in kind.DESCRIPTOR.fields_by_name:
        one = "choice" if "Choice" in name else "custom_field"
        values["requests"] = [{one: (NEW if creates else FIELDS)[one]}]
    if "spec" in values:
        values["spec"] = {"resource": resource, "columns": [{"column": "a", "field": "name"}]}
    else:
        values["resource"] = resource
    return ParseDict(values, kind())
