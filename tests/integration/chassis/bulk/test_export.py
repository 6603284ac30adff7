"""Exports: what is in the file, for whom, and that it can be imported again."""

import asyncio
import csv
import io
import time
from collections.abc import Mapping

import grpc
import pytest
from google.longrunning.operations_pb2 import Operation
from google.protobuf.field_mask_pb2 import FieldMask
from openpyxl import load_workbook

from crm.chassis.v1 import export_pb2
from crm.customer.v1 import customer_pb2
from crm.identity.v1 import role_pb2
from crm.identity.v1.field_rule_pb2 import FieldRule
from crm.type.v1.money_pb2 import Money
from deploy.local.platform import Platform
from tests.integration.chassis.bulk.bulker import EXPORTS, Bulker, update
from tests.integration.chassis.imports.importer import Importer, metadata, spec_of
from tests.integration.chassis.imports.test_operations import grant, wait_for_rows

BOM = b"\xef\xbb\xbf"
ODD = ("=1+1", "+86 138", "-5", "@x", "＝1", "'=x", 'a"b', "张三,李四", "x\ny")
FIELDS = (
    "kind", "name", "phone", "industry", "founded_year", "annual_revenue", "parent_id", "tags",
    "external_id",
)  # fmt: skip


def export(**fields: str) -> export_pb2.CreateExportRequest:
    """A request for a CSV file of customers."""
    return export_pb2.CreateExportRequest(resource="customers", **fields)


async def odd_customers(importer: Importer) -> list[customer_pb2.Customer]:
    """Customers with names that a spreadsheet might run, the first the parent of the others."""
    made: list[customer_pb2.Customer] = []
    for at, name in enumerate(ODD):
        one = customer_pb2.Customer(
            name=name, phone=name[:5], external_source="test", external_id=str(at), tags=["a", "b"],
            annual_revenue=Money(currency_code="CNY", amount="12.50"), founded_year=at + 1,
            parent_id=made[0].id if made else "", kind=customer_pb2.Customer.PERSON,
        )  # fmt: skip
        request = customer_pb2.CreateCustomerRequest(customer=one)
        method = "crm.customer.v1.CustomerService/CreateCustomer"
        made.append(await importer.call("customer", method, request, customer_pb2.Customer))
    return made


async def rows_of(bulker: Bulker, request: export_pb2.CreateExportRequest) -> list[dict[str, str]]:
    """The lines of a CSV export."""
    name, content = await bulker.result(await bulker.export(request))
    assert name.startswith("customers-20")
    assert name.endswith(".csv")
    assert content.startswith(BOM)
    return list(csv.DictReader(io.StringIO(content[len(BOM) :].decode(), newline="")))


async def test_a_file_is_safe_complete_and_ordered(bulker: Bulker) -> None:
    await odd_customers(bulker.importer)
    rows = await rows_of(bulker, export(order_by="name desc", filter='name != "-5"'))
    assert len(rows) == len(ODD) - 1
    assert not [one for one in rows if one["name"].startswith(("=", "+", "@", "＝"))]
    assert {one["name"] for one in rows} >= {"'=1+1", "'+86 138", "'@x", "'＝1", "''=x", "x\ny"}
    first = next(one for one in rows if one["name"] == 'a"b')
    assert first["parent_id.name"] == "'=1+1"
    assert first["owner_id.name"] == "admin"
    assert (first["annual_revenue.amount"], first["annual_revenue.currency_code"]) == (
        "12.50",
        "CNY",
    )
    assert first["tags"] == "a;b"
    assert "etag" not in first
    some = await rows_of(bulker, export(fields="phone,name"))
    assert list(some[0]) == ["phone", "name"]


async def test_what_was_exported_imports_as_it_was(bulker: Bulker, platform: Platform) -> None:
    made = await odd_customers(bulker.importer)
    _, content = await bulker.result(await bulker.export(export(fields=",".join(FIELDS))))
    other = await Importer.sign_up(platform)
    columns = [
        "kind", "name", "phone", "industry", "founded_year", "annual_revenue.amount",
        "annual_revenue.currency_code", "tags", "external_id",
    ]  # fmt: skip
    fields: Mapping[str, str] = {one: one for one in columns} | {"parent_id": "parent_id.name"}
    counts = await other.run(spec_of(fields, match={"parent_id": "name"}), content)
    assert (counts.created, counts.failed) == (len(ODD), 0)
    again = {one.external_id: one for one in await other.customers()}
    for one in made:
        copy = again[one.external_id]
        for name in FIELDS:
            if name != "parent_id":
                assert getattr(copy, name) == getattr(one, name), name
        assert bool(copy.parent_id) == bool(one.parent_id)
    await other.close()


async def test_a_workbook_holds_values_and_no_formula(bulker: Bulker) -> None:
    await odd_customers(bulker.importer)
    request = export(fields="name,founded_year,annual_revenue,create_time")
    request.format = export_pb2.CreateExportRequest.XLSX
    name, content = await bulker.result(await bulker.export(request))
    assert name.endswith(".xlsx")
    sheet = load_workbook(io.BytesIO(content)).active
    assert sheet is not None
    header, *rows = [list(row) for row in sheet.iter_rows()]
    assert [cell.value for cell in header] == [
        "name", "founded_year", "annual_revenue.amount", "annual_revenue.currency_code",
        "create_time",
    ]  # fmt: skip
    assert {row[0].value for row in rows} == set(ODD)
    assert {cell.data_type for row in rows for cell in row} == {"s", "n"}
    assert {row[2].value for row in rows} == {12.5}


async def test_only_what_may_be_read_and_exported(bulker: Bulker) -> None:
    await bulker.customers(5)
    verbs = [
        grant("customers", "READ", "CREATE", "IMPORT"),
        grant("customers", "EXPORT", scope="OWN"),
    ]
    colleague = Bulker(await bulker.importer.colleague("ann", verbs))
    await colleague.customers(3, "b")
    rows = await rows_of(colleague, export(filter="name:n"))
    assert {one["industry"] for one in rows} == {"b"}
    assert len(rows) == 3
    # Who may not read users does not see their names here either.
    assert {one["owner_id.name"] for one in rows} == {""}
    reader = Bulker(await bulker.importer.colleague("eve", [grant("customers", "READ")]))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await reader.export(export())
    assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED
    for wrong in (export(filter="nothing = 1"), export(order_by="phone"), export(fields="x")):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await bulker.export(wrong)
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_hidden_fields_leave_by_no_door(bulker: Bulker) -> None:
    await bulker.customers(3)
    colleague = Bulker(
        await bulker.importer.colleague("ann", [grant("customers", "READ", "EXPORT", "UPDATE")])
    )
    rules = [
        FieldRule(resource="customers", field="name", access=FieldRule.HIDDEN),
        FieldRule(resource="customers", field="phone", access=FieldRule.READ),
    ]
    role = role_pb2.Role(id=colleague.importer.role_id, field_rules=rules)
    await bulker.importer.call(
        "identity",
        "crm.identity.v1.RoleService/UpdateRole",
        role_pb2.UpdateRoleRequest(role=role, update_mask=FieldMask(paths=["field_rules"])),
        role_pb2.Role,
    )
    await asyncio.sleep(3)
    rows = await rows_of(colleague, export())
    assert "phone" in rows[0]
    assert not {"name", "parent_id.name"} & {one for row in rows for one in row if row[one]}
    with pytest.raises(grpc.aio.AioRpcError):
        await colleague.export(export(fields="name"))
    changed, _ = await colleague.run(update("industry = a", industry="b"))
    assert {one["label"] for one in await colleague.outcomes(changed)} == {""}
    for request in (update("industry = b", name="x"), update("industry = b", phone="x")):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await colleague.start(request)
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_a_file_is_its_owners_while_he_may_export(bulker: Bulker) -> None:
    verbs = [grant("customers", "READ", "EXPORT", "IMPORT", "CREATE")]
    colleague = Bulker(await bulker.importer.colleague("ann", verbs))
    await colleague.customers(2)
    name = await colleague.export(export())
    await colleague.result(name)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await bulker.result(name)
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    role = role_pb2.Role(id=colleague.importer.role_id, grants=[grant("customers", "READ")])
    await bulker.importer.call(
        "identity",
        "crm.identity.v1.RoleService/UpdateRole",
        role_pb2.UpdateRoleRequest(role=role, update_mask=FieldMask(paths=["grants"])),
        role_pb2.Role,
    )
    code = await asyncio.wait_for(refusal_of(colleague, name), 5)
    assert code is grpc.StatusCode.PERMISSION_DENIED


async def refusal_of(bulker: Bulker, name: str) -> grpc.StatusCode:
    """How a download is refused, as soon as it is."""
    while True:
        try:
            await bulker.result(name)
        except grpc.aio.AioRpcError as error:
            return error.code()
        await asyncio.sleep(0.1)


async def test_reads_of_exports_are_logged(bulker: Bulker) -> None:
    await bulker.customers(2)
    request = export(filter="industry = a", fields="name")
    name = await bulker.export(request)
    await bulker.result(name)
    logged = await bulker.events(name)
    assert [one["event"] for one in logged] == ["started", "finished", "downloaded"]
    finished = logged[1]["representation"]
    for part in ('"count":2', '"filter":"industry = a"', '"resource":"customers"'):
        assert part in finished
    assert len({one["actor_id"] for one in logged}) == 1


async def test_a_killed_export_ends_whole(bulker: Bulker) -> None:
    await bulker.customers(8000)
    operation = await bulker.importer.call(
        "customer", f"{EXPORTS}/CreateExport", export(), Operation
    )
    await wait_for_rows(bulker.importer, operation.name, 1000)
    bulker.importer.platform.kill("customer")
    await asyncio.to_thread(bulker.importer.platform.start, "customer")
    await bulker.importer.get_again(operation.name)
    ended = metadata(await bulker.importer.end(operation.name, 90))
    assert (ended.counts.exported, ended.total) == (8000, 8000)
    _, content = await bulker.result(operation.name)
    lines = content.decode().splitlines()
    assert len(lines) == len(set(lines)) == 8001


async def test_ten_thousand_rows(bulker: Bulker, figures: list[str]) -> None:
    await bulker.customers(10_000)
    for kind in (export_pb2.CreateExportRequest.CSV, export_pb2.CreateExportRequest.XLSX):
        request = export()
        request.format = kind
        began = time.monotonic()
        name = await bulker.export(request)
        taken = time.monotonic() - began
        _, content = await bulker.result(name)
        what = export_pb2.CreateExportRequest.Format.Name(kind)
        figures.append(f"10,000 customers as {what} in {taken:.1f} s, {len(content):,} bytes")
    _, contacts = await bulker.result(
        await bulker.export(export_pb2.CreateExportRequest(resource="contacts"))
    )
    assert contacts.startswith(BOM + b'"id"')
