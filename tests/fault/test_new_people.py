"""Who has just been created can be named at once, also while no event gets through."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from deploy.local.platform import Platform
from deploy.local.settings import NATS
from tests.live import PASSWORD, Tenant

NOBODY = "01920000-0000-7000-8000-000000000000"


@contextmanager
def frozen(platform: Platform, name: str) -> Iterator[None]:
    """A process that answers nobody for a while."""
    pid = platform.pids()[name]
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def test_a_new_user_owns_records_before_any_event_of_him(fragile: Platform, victim: Tenant) -> None:
    victim.create("customers", name="Known")  # from now on the service knows everybody there was
    with frozen(fragile, NATS):
        department = victim.create("departments", name="新部门")["id"]
        user = victim.create(
            "users", name="新人", login="xinren", password=PASSWORD, department_id=department
        )["id"]
        made = victim.create("customers", name="One", owner_id=user)
        assert (made["owner_id"], made["department_id"]) == (user, department)
        known = victim.create("opportunities", name="Deal")
        moved = victim.patch(f"opportunities/{known['id']}", {"owner_id": user})
        assert moved.status_code == 200, moved.text

        refused = victim.post("customers", {"name": "Two", "owner_id": NOBODY})
        assert refused.status_code == 400, refused.text
        assert refused.json()["errors"][0]["field"] == "owner_id"
