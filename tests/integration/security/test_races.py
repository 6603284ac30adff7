"""What was decided a moment ago is looked at again when it takes effect."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial

import asyncpg
import pytest
from joserfc.jwk import OKPKey

from chassis.access.model import Access
from chassis.call import Call, Principal
from chassis.db.pool import Database
from crm.chassis.v1 import purge_pb2, share_pb2
from crm.customer.v1 import customer_pb2
from crm.identity.v1 import session_pb2
from crm.identity.v1 import user_pb2 as users
from crm.type.v1.requests_pb2 import DeleteRequest
from deploy.local.platform import Platform
from services.identity.domain.session import CredentialsInvalid
from services.identity.jobs import CLEARED_ROWS_MAX, Clearing
from services.identity.methods.candidates import fetch_candidates
from services.identity.methods.session import Sessions
from services.identity.methods.sign_in_log import SignInLog
from services.identity.models.attempt import attempt
from tests.integration.drive import Drive, Person
from tests.integration.security.signing import identity_rows, new_user

USERS = "identity.UserService"


@pytest.fixture
async def admin(drive: Drive) -> Person:
    return await drive.tenant()


@pytest.fixture
async def database(domain_platform: Platform) -> AsyncIterator[Database]:
    """Identity's, as its process sees it."""
    url = partial(domain_platform.database_url, "identity")
    database = Database("identity", url("runtime"), url("worker"))
    yield database
    await database.close()


@pytest.mark.parametrize(
    "change", [{"password": "another good passphrase"}, {"state": users.User.DISABLED}]
)
async def test_a_sign_in_that_was_overtaken_opens_no_session(
    admin: Person,
    database: Database,
    signing_key: Mapping[str, str],
    change: Mapping[str, str],
) -> None:
    user_id = await new_user(admin, "overtaken")
    (account,) = await fetch_candidates(database, "login", "overtaken", admin.slug)
    sessions = Sessions(database, OKPKey.import_key(dict(signing_key)), SignInLog(database))
    nobody = Principal(kind="service", id="gateway")
    call = Call(nobody, Access(), "sign in", datetime.now(UTC), deadline=0.0)
    client = session_pb2.Client()
    assert (await sessions.open(call, account, client)).user_id == user_id
    changed = users.User(id=user_id, **change)  # type: ignore[arg-type]  # fields of two types
    await admin.call(f"{USERS}/UpdateUser", users.UpdateUserRequest(user=changed))
    with pytest.raises(CredentialsInvalid):
        await sessions.open(replace(call, now=datetime.now(UTC)), account, client)


async def test_whoever_is_purged_is_there_for_no_service(
    admin: Person, domain_platform: Platform
) -> None:
    """A purge tells nothing of an account but its id, which must not make it look alive."""
    user_id = await new_user(admin, "purged")
    await admin.call(f"{USERS}/DeleteUser", DeleteRequest(id=user_id))
    purge = purge_pb2.PurgeRecordRequest(resource="users", id=user_id)
    await admin.call("identity.crm.chassis.v1.PurgeService/PurgeRecord", purge)
    made = await admin.call(
        "customer.CustomerService/CreateCustomer",
        customer_pb2.CreateCustomerRequest(customer=customer_pb2.Customer(name="Acme")),
    )
    assert isinstance(made, customer_pb2.Customer)
    await _heard_of(domain_platform, user_id, 3)
    share = share_pb2.CreateShareRequest(
        resource="customers", record_id=made.id, share=share_pb2.Share(user_id=user_id)
    )
    refusal = await admin.refused("customer.crm.chassis.v1.ShareService/CreateShare", share)
    assert refusal.reason == "INVALID_FIELDS"


async def _heard_of(platform: Platform, record_id: str, version: int) -> None:
    owner = await asyncpg.connect(platform.database_url("customer", "owner"))
    try:
        query = "SELECT version FROM base.access_record WHERE id = $1"
        for _ in range(150):
            if (await owner.fetchval(query, record_id) or 0) >= version:
                return
            await asyncio.sleep(0.1)
        raise AssertionError("the customer service does not hear of it")
    finally:
        await owner.close()


async def test_the_access_of_a_tenant_is_told_in_a_few_words(drive: Drive, admin: Person) -> None:
    """All of it is one answer: 400 bytes each let it have 40,000 people."""
    await new_user(admin, "somebody")
    answer = await drive.clients.call(
        "identity",
        "crm.identity.v1.SessionService/GetAccess",
        session_pb2.GetAccessRequest(tenant_id=admin.tenant_id),
    )
    assert isinstance(answer, session_pb2.GetAccessResponse)
    people = [one for one in answer.records if one.kind == "user"]
    assert len(people) == 2
    assert max(one.ByteSize() for one in people) < 400


async def test_old_failures_go_however_many_there_are(
    database: Database, domain_platform: Platform
) -> None:
    await identity_rows(
        domain_platform,
        "INSERT INTO base.attempt (tenant_id, key_hash, failures, last_time) SELECT"
        " '00000000-0000-0000-0000-000000000000', 'old ' || n, 1, now() - interval '3 days'"
        " FROM generate_series(1, $1::int) AS n",
        2 * CLEARED_ROWS_MAX + 1,
    )
    await Clearing(attempt.c.last_time, timedelta(days=2)).run(database, datetime.now(UTC))
    left = "SELECT count(*) AS left FROM base.attempt WHERE key_hash LIKE 'old %'"
    assert (await identity_rows(domain_platform, left))[0]["left"] == 0
