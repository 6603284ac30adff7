"""History, bulk changes and their undoing, exports and imports of every resource."""

import csv
import io
from collections.abc import Mapping

import pytest

from chassis.resource.fields import Form
from chassis.resource.plan import make_plan
from tests.contract.resources import Facts, all_resources
from tests.contract.rules import bad, found_ids, good, keyed, listed, make
from tests.e2e.journeys.test_j25_own_fields import imported
from tests.e2e.test_bulk_export import counts, ended
from tests.live import Tenant

# What is another after a change that was taken back.
MOVED = {"etag", "update_time", "updater_id"}


@pytest.fixture(params=all_resources(), ids=lambda one: one.plural)
def worked(request: pytest.FixtureRequest) -> Facts:
    """Each resource in turn."""
    found = request.param
    assert isinstance(found, Facts)
    return found


def test_history_tells_every_change(tenant: Tenant, other_tenant: Tenant, worked: Facts) -> None:
    record, change = make(tenant, worked), worked.change()
    path = f"{worked.path}/{record['id']}"
    good(tenant.patch(path, change))
    good(tenant.delete(path))
    good(tenant.post(f"{path}:undelete", {}))
    entries = good(tenant.get(f"{path}/history"))["entries"]
    assert isinstance(entries, list)
    assert [one["event"] for one in entries] == ["restored", "deleted", "updated", "created"]
    assert [one["version"] for one in entries] == [4, 3, 2, 1]
    who = tenant.session["user_id"]
    assert {(one["actor_id"], one["through"]) for one in entries} == {(who, "user")}
    told = {one["field"]: (one.get("from"), one.get("to")) for one in entries[2]["changes"]}
    assert told == {name: (record[name], value) for name, value in change.items()}
    page = good(tenant.get(f"{path}/history", page_size=1))
    assert page["entries"] == entries[:1]
    bad(other_tenant.get(f"{path}/history"), 404)


def test_a_bulk_change_is_undone(tenant: Tenant, worked: Facts) -> None:
    records = [make(tenant, worked) for _ in range(2)]
    change, ids = worked.spare, [one["id"] for one in records]
    body = {"ids": ids, "action": {"update": {"fields": change}}}
    preview = good(tenant.post(f"{worked.path}:previewBulk", body))
    assert (preview["count"], preview["allowed_count"]) == (2, 2)
    done = ended(tenant, tenant.post(f"{worked.path}:bulk", {**body, "expected_count": 2}))
    assert done["counts"] == counts(updated=2)
    assert kept(current(tenant, worked, records)) == [one | change for one in kept(records)]
    undone = ended(tenant, tenant.post(f"operations/{done['id']}:undo", {}))
    assert undone["counts"] == counts(updated=2)
    assert kept(current(tenant, worked, records)) == kept(records)


def test_a_bulk_deletion_is_undone(tenant: Tenant, worked: Facts) -> None:
    records = [make(tenant, worked) for _ in range(2)]
    either = " OR ".join(f'id = "{one["id"]}"' for one in records)
    body = {"filter": either, "expected_count": 2, "action": {"delete": {}}}
    done = ended(tenant, tenant.post(f"{worked.path}:bulk", body))
    assert done["counts"] == counts(updated=2)
    assert found_ids(tenant, worked, filter=either) == []
    undone = ended(tenant, tenant.post(f"operations/{done['id']}:undo", {}))
    assert undone["counts"] == counts(updated=2)
    assert kept(current(tenant, worked, records)) == kept(records)


def test_an_export_holds_every_field(tenant: Tenant, worked: Facts) -> None:
    record = make(tenant, worked)
    asked = {"filter": keyed(worked, record), "format": "CSV"}
    done = ended(tenant, tenant.post(f"{worked.path}:export", asked))
    answer = tenant.get(str(done["result_file"]).removeprefix("/v1/"))
    (row,) = csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig")))
    names = {name.partition(".")[0] for name in row}
    forms = {name: one.form for name, one in make_plan(worked.declared).fields.items()}
    left_out = {name for name, form in forms.items() if form is Form.MESSAGES}
    assert names - {"custom_fields"} == set(record) - left_out - {"custom_fields", "etag"}
    for name in names:
        if isinstance(record[name], str):
            assert row[name] == record[name], name


def test_an_import_creates_and_updates(tenant: Tenant, worked: Facts) -> None:
    known, fresh = worked.body(tenant), worked.body(tenant)
    record = good(tenant.post(worked.path, known))
    changes = [worked.change(), worked.change()]
    rows = [cells(known) | changes[0], cells(fresh) | changes[1]]
    text = io.StringIO()
    writer = csv.DictWriter(text, rows[0])
    writer.writeheader()
    writer.writerows(rows)
    columns = [{"column": name, "field": name} for name in rows[0]]
    keyed_by_id = worked.key == "external_id"
    source = {"external_source": "aip"} if keyed_by_id else {}
    done = ended(
        tenant, imported(tenant, {**worked.named, **source, "columns": columns}, text.getvalue())
    )
    # What has no external id cannot be found again: its row is refused, for the name is taken.
    expected = counts(created=1, updated=1) if keyed_by_id else counts(created=1, failed=1)
    errors = tenant.get(f"operations/{done['id']}/errors").text
    assert done["counts"] == expected, errors
    assert keyed_by_id or worked.key in errors
    (now,) = current(tenant, worked, [record])
    (new,) = listed(tenant, worked, filter=keyed(worked, fresh))
    assert now == (now | changes[0] if keyed_by_id else record)
    assert new == {**new, **changes[1]}


def current(
    tenant: Tenant, facts: Facts, records: list[dict[str, object]]
) -> list[dict[str, object]]:
    """The records as they are now."""
    return [good(tenant.get(f"{facts.path}/{one['id']}")) for one in records]


def kept(records: list[dict[str, object]]) -> list[dict[str, object]]:
    """The records without what every change moves."""
    return [{name: one[name] for name in one.keys() - MOVED} for one in records]


def cells(body: Mapping[str, object]) -> dict[str, object]:
    """What a row holds of a body: its texts, and money in two."""
    parts = {
        f"{name}.{part}": text
        for name, value in body.items()
        if isinstance(value, dict)
        for part, text in value.items()
    }
    texts = {name: one for name, one in body.items() if isinstance(one, str)}
    texts.pop("external_source", "")
    return texts | parts
