"""Two tenants, and ways to reach every process with any token."""

import json
import time
from collections.abc import AsyncIterator, Mapping

import pytest

from deploy.local.platform import Platform
from tests.integration.drive import Drive, Person
from tests.integration.security.forge import Forge
from tests.integration.security.ground import Ground
from tests.integration.security.wire import Wire


@pytest.fixture(scope="package")
async def wire(domain_platform: Platform) -> AsyncIterator[Wire]:
    wire = Wire(domain_platform)
    yield wire
    await wire.close()


@pytest.fixture(scope="package")
async def victim(drive: Drive) -> Person:
    """The administrator of tenant A."""
    return await drive.tenant()


@pytest.fixture(scope="package")
async def stranger(drive: Drive) -> Person:
    """The administrator of tenant B, who must never learn of A."""
    return await drive.tenant()


@pytest.fixture(scope="package")
def signing_key(domain_platform: Platform) -> Mapping[str, str]:
    """The private key that identity signs with."""
    keys: list[dict[str, str]] = json.loads(
        domain_platform.service_environment("identity")["SIGNING_KEYS"]
    )
    return keys[0]


@pytest.fixture
def forge(signing_key: Mapping[str, str], victim: Person) -> Forge:
    """Tokens around what the victim's own would say."""
    now = int(time.time())
    claims = {
        "iss": "crm-identity",
        "aud": "crm-internal",
        "sub": victim.id,
        "iat": now,
        "exp": now + 300,
        "kind": "user",
        "tenant": victim.tenant_id,
        "session": "",
        "roles": [],
        "company": "",
        "access": 0,
    }
    return Forge(signing_key, claims)


@pytest.fixture(scope="package")
async def a(victim: Person) -> Ground:
    return await Ground(victim, "aa").fill()


@pytest.fixture(scope="package")
async def b(stranger: Person) -> Ground:
    return await Ground(stranger, "bb").fill()
