"""More of what a tenant has than records: files, operations, sessions, shares, own fields."""

import asyncio
from collections.abc import Mapping

from google.longrunning.operations_pb2 import Operation
from google.protobuf.message import Message

from crm.chassis.v1 import (
    choice_pb2,
    custom_field_pb2,
    export_pb2,
    history_pb2,
    import_pb2,
    operation_pb2,
    share_pb2,
)
from crm.customer.v1 import customer_pb2
from crm.identity.v1 import api_client_pb2, api_client_secret_pb2, log_entry_pb2, session_pb2
from crm.type.v1.requests_pb2 import ListRequest
from tests.integration.security.ground import OWNED, Ground, resources
from tests.integration.security.policy import COLLECTIONS
from tests.integration.security.strategy import Belongings
from tests.integration.security.wire import Wire

CHASSIS = "crm.chassis.v1"
CHANGES = 7


async def declare_fields(ground: Ground) -> None:
    """Two own fields of every collection, one that refers to customers; and a choice."""
    for name, process in resources():
        plural = COLLECTIONS[process][name]
        for kind in ("TEXT", "REFERENCE"):
            made = custom_field_pb2.CustomField(
                name=field_name(ground, kind), label=f"{ground.tag} {kind}", kind=kind
            )
            if kind == "REFERENCE":
                made.reference_resource = "customers"
            field = await _call(
                ground, process, "CustomFieldService/CreateCustomField",
                custom_field_pb2.CreateCustomFieldRequest(resource=plural, custom_field=made),
            )  # fmt: skip
            ground.ids[f"field {plural}"] = _id(field)
    choice = choice_pb2.Choice(field="source_id", label=f"Source {ground.tag}")
    request = choice_pb2.CreateChoiceRequest(resource="customers", choice=choice)
    made_choice = await _call(ground, "customer", "ChoiceService/CreateChoice", request)
    ground.ids["choice"] = _id(made_choice)


def field_name(ground: Ground, kind: str) -> str:
    """The name of an own field."""
    return f"{ground.tag}_{kind.lower()}_of_ours"


async def furnish(wire: Wire, ground: Ground, changes: int = CHANGES) -> Belongings:
    """Add to the ground all that is no record; what of it all others may learn nothing of."""
    operations, files = list[str](), list[str]()
    for process, about in OWNED.items():
        plural = COLLECTIONS[process][about]
        share = share_pb2.Share(user_id=ground.ids["User"])
        if about != "User":
            sharing = share_pb2.CreateShareRequest(
                resource=plural, record_id=ground.ids[about], share=share
            )
            ground.ids["share"] = _id(
                await _call(ground, process, "ShareService/CreateShare", sharing)
            )
        export = export_pb2.CreateExportRequest(resource=plural)
        started = await _call(ground, process, "ExportService/CreateExport", export)
        assert isinstance(started, Operation)
        operations.append(started.name)
        files.append(await uploaded(wire, ground, process, b"name\nNobody\n"))
        ground.ids[f"file {process}"] = files[-1]
    await _accounts(ground)
    etag = await _changed(ground, changes)
    ids = [one for name, one in ground.ids.items() if not name.startswith("file ")]
    return Belongings(
        ids=[*dict.fromkeys(ids), ground.person.id],
        operations=operations,
        files=files,
        tokens=await _tokens(ground),
        texts=[str(ground.values(name).get("name", "")) for name in ("Customer", "Opportunity")],
        etags=[etag],
    )


async def uploaded(wire: Wire, ground: Ground, process: str, data: bytes) -> str:
    """The id of a new file."""
    request = operation_pb2.FileChunk(data=data).SerializeToString()
    bearer = f"Bearer {ground.person.token}"
    method = f"{CHASSIS}.ImportService/UploadFile"
    outcome = await wire.call(process, method, request, authorization=bearer)
    return import_pb2.UploadFileResponse.FromString(outcome.data).file_id


async def logged(ground: Ground) -> str:
    """The id of an entry of the tenant's operation log, once there is one."""
    for _ in range(200):
        page = await ground.person.call(
            "identity.LogEntryService/ListLogEntries", ListRequest(page_size=1)
        )
        assert isinstance(page, log_entry_pb2.ListLogEntriesResponse)
        if page.log_entries:
            return page.log_entries[0].id
        await asyncio.sleep(0.05)
    raise AssertionError("nothing is logged")


async def _accounts(ground: Ground) -> None:
    """A secret of the API client, and the session that the person works with."""
    request = api_client_secret_pb2.AddSecretRequest(id=ground.ids["ApiClient"])
    added = await ground.person.call("identity.ApiClientSecretService/AddSecret", request)
    assert isinstance(added, api_client_secret_pb2.AddSecretResponse)
    assert isinstance(added.api_client, api_client_pb2.ApiClient)
    ground.ids["secret"] = added.api_client.secrets[0].id
    listed = await ground.person.call(
        "identity.SessionService/ListSessions", session_pb2.ListSessionsRequest()
    )
    assert isinstance(listed, session_pb2.ListSessionsResponse)
    ground.ids["session"] = listed.sessions[0].id


async def _changed(ground: Ground, changes: int) -> str:
    """The entity tag of the ground's customer after some changes."""
    etag = ""
    for number in range(changes):
        customer = customer_pb2.Customer(
            id=ground.ids["Customer"], description=f"{ground.tag} {number}"
        )
        request = customer_pb2.UpdateCustomerRequest(customer=customer)
        made = await ground.person.call("customer.CustomerService/UpdateCustomer", request)
        assert isinstance(made, customer_pb2.Customer)
        etag = made.etag
    return etag


async def _tokens(ground: Ground) -> list[str]:
    """Tokens of second pages."""
    customer = customer_pb2.Customer(name=f"Second {ground.tag}")
    request = customer_pb2.CreateCustomerRequest(customer=customer)
    await ground.person.call("customer.CustomerService/CreateCustomer", request)
    history = history_pb2.ListHistoryRequest(
        resource="customers", id=ground.ids["Customer"], page_size=1
    )
    asked: Mapping[str, Message] = {
        "customer.CustomerService/ListCustomers": ListRequest(page_size=1),
        f"customer.{CHASSIS}.HistoryService/ListHistory": history,
    }
    pages = [await ground.person.call(*one) for one in asked.items()]
    found = [str(getattr(page, "next_page_token")) for page in pages]  # noqa: B009  # pages of any kind
    assert all(found)
    return found


async def _call(ground: Ground, process: str, method: str, request: Message) -> Message:
    """Call what every service has."""
    return await ground.person.call(f"{process}.{CHASSIS}.{method}", request)


def _id(made: Message) -> str:
    return str(getattr(made, "id"))  # noqa: B009  # a record of any kind
