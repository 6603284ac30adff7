"""Announcements over gRPC: who is addressed, what he has read, what the author learns of it."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from crm.identity.v1 import announcement_pb2 as pb
from crm.identity.v1 import announcement_receipt_pb2 as receipts
from crm.identity.v1 import department_pb2, role_pb2, user_pb2
from crm.type.v1.requests_pb2 import GetRequest
from tests.integration.drive import Drive, Person

CREATE = "identity.AnnouncementService/CreateAnnouncement"
RECEIPTS = "identity.AnnouncementReceiptService"


@dataclass(frozen=True)
class Firm:
    """People in a tree: leaf below top, other beside it."""

    admin: Person
    departments: dict[str, str]
    leaf: Person
    other: Person

    async def tell(self, title: str, **values: object) -> str:
        """Publish an announcement; its id."""
        told = pb.Announcement(title=title, **values)  # type: ignore[arg-type]  # fields of several types
        request = pb.CreateAnnouncementRequest(announcement=told)
        answer = await self.admin.call(CREATE, request)
        assert isinstance(answer, pb.Announcement)
        return answer.id

    async def receipts(self, told: str, **values: object) -> receipts.ListReceiptsResponse:
        """Who has read it."""
        request = receipts.ListReceiptsRequest(id=told, **values)  # type: ignore[arg-type]  # as above
        answer = await self.admin.call(f"{RECEIPTS}/ListReceipts", request)
        assert isinstance(answer, receipts.ListReceiptsResponse)
        return answer


@pytest.fixture
async def firm(drive: Drive) -> Firm:
    admin = await drive.tenant()
    departments: dict[str, str] = {}
    for name, parent in (("top", ""), ("leaf", "top"), ("other", "")):
        made = department_pb2.Department(name=name, parent_id=departments.get(parent, ""))
        answer = await admin.call(
            "identity.DepartmentService/CreateDepartment",
            department_pb2.CreateDepartmentRequest(department=made),
        )
        assert isinstance(answer, department_pb2.Department)
        departments[name] = answer.id
    people = {}
    for name in ("leaf", "other"):
        people[name] = await drive.user(admin, name, [])
        user = user_pb2.User(id=people[name].id, department_id=departments[name])
        await admin.call("identity.UserService/UpdateUser", user_pb2.UpdateUserRequest(user=user))
    return Firm(admin, departments, people["leaf"], people["other"])


async def inbox(who: Person, *, unread_only: bool = False) -> tuple[Sequence[str], int]:
    request = receipts.ListInboxRequest(unread_only=unread_only)
    answer = await who.call(f"{RECEIPTS}/ListInbox", request)
    assert isinstance(answer, receipts.ListInboxResponse)
    return [one.announcement.title for one in answer.entries], answer.unread_count


async def mark(who: Person, told: str) -> receipts.MarkReadResponse:
    answer = await who.call(f"{RECEIPTS}/MarkRead", receipts.MarkReadRequest(id=told))
    assert isinstance(answer, receipts.MarkReadResponse)
    return answer


async def role_of(firm: Firm, person: Person) -> str:
    user = await firm.admin.call("identity.UserService/GetUser", GetRequest(id=person.id))
    assert isinstance(user, user_pb2.User)
    return user.role_ids[0]


async def test_it_reaches_departments_below_and_roles(firm: Firm) -> None:
    await firm.tell("for all")
    await firm.tell("top and below", audience_department_ids=[firm.departments["top"]])
    await firm.tell("a role", audience_role_ids=[await role_of(firm, firm.other)])
    assert await inbox(firm.leaf) == (["top and below", "for all"], 2)
    assert await inbox(firm.other) == (["a role", "for all"], 2)
    assert await inbox(firm.admin) == (["for all"], 1)


async def test_pinned_ones_come_first_and_times_bound_what_is_shown(firm: Firm) -> None:
    now = int(time.time())
    past, future = {"seconds": now - 60}, {"seconds": now + 3600}
    await firm.tell("pinned", pinned=True, publish_time=past, expire_time=future)
    await firm.tell("now")
    later = await firm.tell("later", publish_time=future)
    await firm.tell("over", publish_time={"seconds": now - 120}, expire_time=past)
    assert await inbox(firm.leaf) == (["pinned", "now"], 2)
    refusal = await firm.leaf.refused(f"{RECEIPTS}/MarkRead", receipts.MarkReadRequest(id=later))
    assert refusal.reason == "NOT_FOUND"
    told = pb.Announcement(title="x", publish_time=future, expire_time=past)
    refusal = await firm.admin.refused(CREATE, pb.CreateAnnouncementRequest(announcement=told))
    assert refusal.reason == "INVALID_FIELDS"


async def test_the_inbox_has_pages(firm: Firm) -> None:
    told = {await firm.tell(f"number {at}", pinned=at % 2 == 0) for at in range(5)}
    whole, _ = await inbox(firm.leaf)
    assert [int(one[-1]) % 2 for one in whole] == [0, 0, 0, 1, 1]
    found: list[receipts.ListInboxResponse.Entry] = []
    request = receipts.ListInboxRequest(page_size=2)
    for left in (True, True, False):
        page = await firm.leaf.call(f"{RECEIPTS}/ListInbox", request)
        assert isinstance(page, receipts.ListInboxResponse)
        assert page.unread_count == 5
        found += page.entries
        assert bool(page.next_page_token) is left
        request.page_token = page.next_page_token or request.page_token
    assert [one.announcement.title for one in found] == whole
    assert {one.announcement.id for one in found} == told
    token = request.page_token
    for other in (
        receipts.ListInboxRequest(page_token=token, unread_only=True),
        receipts.ListInboxRequest(page_token=token[:-2] + "zz"),
    ):
        refusal = await firm.leaf.refused(f"{RECEIPTS}/ListInbox", other)
        assert refusal.reason == "PAGE_TOKEN_INVALID"


async def test_the_inbox_is_searched_and_filtered(firm: Firm) -> None:
    await firm.tell("春节放假通知", body="Office closed for a week", pinned=True)
    await firm.tell("春节值班", publish_time={"seconds": int(time.time()) - 3 * 86400})
    await firm.tell("价格调整")
    await firm.tell("春节奖金", audience_department_ids=[firm.departments["other"]])
    for wanted, titles in {
        "春节": ["春节放假通知", "春节值班"],
        "closed": ["春节放假通知"],
        "jgtz": ["价格调整"],
        "publish_time > days_ago(2)": ["春节放假通知", "价格调整"],
        'title:"春节"': ["春节放假通知", "春节值班"],
        'title:"春节" AND publish_time > days_ago(2)': ["春节放假通知"],
        "pinned = false": ["价格调整", "春节值班"],
    }.items():
        request = receipts.ListInboxRequest(filter=wanted, page_size=1)
        found: list[str] = []
        for _ in titles:
            page = await firm.leaf.call(f"{RECEIPTS}/ListInbox", request)
            assert isinstance(page, receipts.ListInboxResponse)
            assert page.unread_count == 3
            found += [one.announcement.title for one in page.entries]
            request.page_token = page.next_page_token
        assert (found, request.page_token) == (titles, ""), wanted
    for wrong in ("nope = 1", "title:", "x" * 4097):
        request = receipts.ListInboxRequest(filter=wrong)
        refusal = await firm.leaf.refused(f"{RECEIPTS}/ListInbox", request)
        assert refusal.reason in {"FILTER_INVALID", "INVALID_FIELDS"}, wrong


async def test_reading_counts_once(firm: Firm) -> None:
    first, second = await firm.tell("one"), await firm.tell("two")
    read = await mark(firm.leaf, first)
    assert await mark(firm.leaf, first) == read
    assert await inbox(firm.leaf) == (["two", "one"], 1)
    assert await inbox(firm.leaf, unread_only=True) == (["two"], 1)
    assert await inbox(firm.other) == (["two", "one"], 2)
    await mark(firm.leaf, second)
    assert await inbox(firm.leaf, unread_only=True) == ([], 0)


async def test_what_is_not_addressed_to_one_is_not_there(firm: Firm) -> None:
    told = await firm.tell("secret", audience_department_ids=[firm.departments["top"]])
    request = receipts.MarkReadRequest(id=told)
    refusal = await firm.other.refused(f"{RECEIPTS}/MarkRead", request)
    assert refusal.reason == "NOT_FOUND"
    nobody = pb.Announcement(title="x", audience_role_ids=[firm.admin.id])
    refusal = await firm.admin.refused(CREATE, pb.CreateAnnouncementRequest(announcement=nobody))
    assert refusal.reason == "INVALID_FIELDS"


async def test_the_author_learns_who_has_read_it_and_who_has_not(firm: Firm, drive: Drive) -> None:
    told = await firm.tell("for all")
    await mark(firm.leaf, told)
    everybody = await firm.receipts(told)
    assert (everybody.read_count, everybody.unread_count) == (1, 2)
    names = {one.name: one.HasField("read_time") for one in everybody.receipts}
    assert names == {"admin": False, "leaf": True, "other": False}
    read = await firm.receipts(told, read=True)
    assert [one.user_id for one in read.receipts] == [firm.leaf.id]
    pages, token = [], ""
    for _ in range(2):
        page = await firm.receipts(told, read=False, page_size=1, page_token=token)
        pages += [one.name for one in page.receipts]
        token = page.next_page_token
    assert (sorted(pages), token) == (["admin", "other"], "")
    # Neither a reader nor one who may only see announcements learns of others.
    grant = role_pb2.Grant(
        resource="announcements", verbs=[role_pb2.Grant.READ], scope=role_pb2.Grant.ALL
    )
    reader = await drive.user(firm.admin, "reader", [grant])
    request = receipts.ListReceiptsRequest(id=told)
    for person in (firm.leaf, reader):
        refusal = await person.refused(f"{RECEIPTS}/ListReceipts", request)
        assert refusal.reason == "PERMISSION_DENIED"


async def test_receipts_count_the_audience_only(firm: Firm) -> None:
    told = await firm.tell("below", audience_department_ids=[firm.departments["top"]])
    found = await firm.receipts(told)
    assert [one.name for one in found.receipts] == ["leaf"]
    assert (found.read_count, found.unread_count) == (0, 1)
