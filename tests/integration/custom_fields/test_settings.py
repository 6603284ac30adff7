"""Own fields and choices as settings of a collection: batches, bounds, indexes asked for again."""

from cli.records import items
from tests.integration.custom_fields.own import good, own_field, refused
from tests.live import Tenant, eventually

FIELDS_MAX, CHOICES_MAX, OPERATIONS_MAX = 200, 500, 20


def fields(*names: str, **values: object) -> list[dict[str, object]]:
    """Requests that create fields."""
    return [{"custom_field": {"name": one, "label": one, **values}} for one in names]


def test_a_batch_stays_in_its_collection(tenant: Tenant) -> None:
    mine = own_field(tenant, "mine", "TEXT")
    body = {"name": "theirs", "label": "Theirs"}
    theirs = str(good(tenant.post("contacts/customFields", body))["id"])
    place = "customers/customFields"
    both = [mine, theirs]
    assert tenant.post(f"{place}:batchGet", {"ids": both}).status_code == 404
    assert tenant.post(f"{place}:batchDelete", {"ids": both}).status_code == 404
    changes = [{"custom_field": {"id": one, "label": "x"}} for one in both]
    assert tenant.post(f"{place}:batchUpdate", {"requests": changes}).status_code == 404
    first, second = fields("one", "two")
    elsewhere = {**second, "resource": "contacts"}
    answer = tenant.post(f"{place}:batchCreate", {"requests": [first, elsewhere]})
    refused(answer, 400, "requests[1].resource")
    (inside,) = fields("two", resource="contacts")
    answer = tenant.post(f"{place}:batchCreate", {"requests": [first, inside]})
    refused(answer, 400, "requests[1].custom_field.resource")
    told = {"requests": [{**first, "resource": "customers"}, second]}
    made = items(good(tenant.post(f"{place}:batchCreate", told)))
    assert {one["resource"] for one in made} == {"customers"}
    found = good(tenant.post(f"{place}:batchGet", {"ids": [mine], "fields": "label"}))
    assert [set(one) for one in items(found)] == [{"id", "label"}]


def test_there_are_no_more_than_are_read(other_tenant: Tenant) -> None:
    place = "customers/customFields"
    many = fields(*(f"f{at}" for at in range(FIELDS_MAX + 1)))
    answer = other_tenant.post(f"{place}:batchCreate", {"requests": many})
    assert refused(answer, 429)["reason"] == "CUSTOM_FIELDS_MAX"
    assert good(other_tenant.get(place, count="exact"))["total_size"] == 0
    good(other_tenant.post(f"{place}:batchCreate", {"requests": many[:-1]}))
    assert refused(other_tenant.post(place, {"name": "x", "label": "x"}), 429)["reason"]


def test_a_list_of_many_choices_can_be_asked_for_wrongly(tenant: Tenant) -> None:
    field = own_field(tenant, "region", "CHOICE")
    labels = [f"第{at:03}销售大区" * 5 for at in range(CHOICES_MAX)]
    requests = [{"choice": {"field": field, "label": one}} for one in labels]
    good(tenant.post("customers/choices:batchCreate", {"requests": requests}))
    body = refused(tenant.get("customers", filter="custom_fields.region = 南"), 400, "filter")
    assert any(one in str(body["detail"]) for one in labels)
    one_more = tenant.post("customers/choices", {"field": field, "label": "x"})
    assert refused(one_more, 429)["reason"] == "CHOICES_MAX"


def test_an_index_that_was_given_up_is_not_finished_by_who_began_it(tenant: Tenant) -> None:
    field = own_field(tenant, "mark", "NUMBER")
    place = f"customers/customFields/{field}"
    deeds = ("buildIndex", "dropIndex", "buildIndex")
    asked = [good(tenant.post(f"{place}:{one}", {})) for one in deeds]
    ids = [str(one["name"]) for one in asked]

    def ended() -> list[str]:
        states = [state(tenant, one) for one in ids]
        return [] if {"PENDING", "RUNNING"} & set(states) else states

    assert eventually(ended, timeout_s=60, every_s=0.3) == ["FAILED", "FAILED", "SUCCEEDED"]
    assert good(tenant.get(place))["index_state"] == "READY"


def test_indexes_wait_in_a_queue_that_ends(tenant: Tenant) -> None:
    field = own_field(tenant, "hurry", "NUMBER")
    place = f"customers/customFields/{field}:buildIndex"
    asked = [str(good(tenant.post(place, {}))["name"]) for _ in range(OPERATIONS_MAX)]
    assert refused(tenant.post(place, {}), 429)["reason"] == "OPERATIONS_MAX"
    for one in asked:
        good(tenant.post(f"operations/{one}:cancel", {}))


def state(tenant: Tenant, operation: str) -> str:
    """How far an operation is."""
    metadata = good(tenant.get(f"operations/{operation}"))["metadata"]
    assert isinstance(metadata, dict)
    return str(metadata["state"])
