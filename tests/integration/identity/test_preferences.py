"""Preferences over gRPC: each user's own, kept by field, told at sign-in."""

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.json_format import MessageToDict, ParseDict

from crm.identity.v1 import preferences_pb2 as pb
from crm.identity.v1 import session_pb2
from tests.integration.drive import PASSWORD, SESSIONS, Drive, Person

GET = "identity.PreferencesService/GetPreferences"
UPDATE = "identity.PreferencesService/UpdatePreferences"


@pytest.fixture
async def admin(drive: Drive) -> Person:
    return await drive.tenant()


async def kept(who: Person) -> pb.Preferences:
    answer = await who.call(GET, pb.GetPreferencesRequest())
    assert isinstance(answer, pb.Preferences)
    return answer


async def change(who: Person, sent: pb.Preferences, *paths: str) -> pb.Preferences:
    request = pb.UpdatePreferencesRequest(preferences=sent, update_mask=FieldMask(paths=paths))
    answer = await who.call(UPDATE, request)
    assert isinstance(answer, pb.Preferences)
    return answer


async def test_what_was_never_set_has_its_default(admin: Person) -> None:
    found = await kept(admin)
    assert (found.language, found.theme) == ("", pb.Preferences.SYSTEM)
    assert found.density == pb.Preferences.COMFORTABLE
    assert not found.HasField("update_time")


async def test_only_the_fields_sent_change(drive: Drive, admin: Person) -> None:
    await change(admin, pb.Preferences(language="zh", theme=pb.Preferences.DARK))
    sent = pb.Preferences(accent_colour="#ff0000", start_page="/customers?view=mine")
    saved = {"columns": {"customers": ["name", "phone"]}, "width": 320}
    ParseDict(saved, sent.client)
    found = await change(admin, sent)
    assert (found.language, found.theme) == ("zh", pb.Preferences.DARK)
    assert (found.accent_colour, found.start_page) == ("#ff0000", "/customers?view=mine")
    assert MessageToDict(found.client) == saved
    assert found == await kept(admin)
    # A field of the mask that is not sent goes back to its default.
    found = await change(admin, pb.Preferences(), "theme", "client", "accent_colour")
    assert (found.theme, found.accent_colour) == (pb.Preferences.SYSTEM, "")
    assert not found.client.fields
    assert found.language == "zh"
    other = await drive.user(admin, "other", [])
    assert (await kept(other)).language == ""


async def test_both_are_returned_at_the_next_sign_in(drive: Drive, admin: Person) -> None:
    await change(admin, pb.Preferences(language="zh", density=pb.Preferences.COMPACT))
    request = session_pb2.CreateSessionRequest(login="admin", tenant=admin.slug, password=PASSWORD)
    session = await drive.clients.call("identity", f"{SESSIONS}/CreateSession", request)
    assert isinstance(session, session_pb2.Session)
    assert session.preferences == await kept(admin)
    assert session.preferences.density == pb.Preferences.COMPACT


async def test_what_cannot_be_is_refused(admin: Person) -> None:
    large = pb.Preferences()
    large.client.update({"text": "x" * 16 * 1024})
    for sent, *paths in (
        (pb.Preferences(language="fr"),),
        (pb.Preferences(time_zone="Mars/Phobos"),),
        (pb.Preferences(accent_colour="red"),),
        (pb.Preferences(start_page="//evil.example"),),
        (large,),
        (pb.Preferences(), "wingspan"),
        (pb.Preferences(), "update_time"),
    ):
        assert isinstance(sent, pb.Preferences)
        mask = FieldMask(paths=[str(one) for one in paths])
        request = pb.UpdatePreferencesRequest(preferences=sent, update_mask=mask)
        assert (await admin.refused(UPDATE, request)).reason == "INVALID_FIELDS"
