"""Identity's events as the gateway hears them: what was known of someone is forgotten."""

from collections.abc import Callable, Sequence

import orjson

from chassis.events.feed import Told

STREAM = "CRM_IDENTITY"
_SESSIONS = frozenset({"session", "client_token"})
_TENANT_WIDE = frozenset({"tenant", "user", "api_client", "role", "department"})
_SESSION_ENDS = frozenset({"deleted", "revoked", "purged", "expired"})
_SUBJECT_PARTS = 6


class Revocations:
    """Tells those who remember rights what to forget."""

    def __init__(
        self,
        drop_session: Callable[[str], None],
        drop_tenant: Sequence[Callable[[str], None]],
        drop_all: Sequence[Callable[[], None]],
    ) -> None:
        self._drop_session = drop_session
        self._drop_tenant = drop_tenant
        self._drop_all = drop_all

    def handle(self, told: Told) -> None:
        """Take one event, crm.<tenant>.identity.<pp>.<resource>.<event>."""
        parts = told.subject.split(".")
        if len(parts) != _SUBJECT_PARTS:
            return
        tenant, resource, event = parts[1], parts[4], parts[5]
        if resource in _SESSIONS and event in _SESSION_ENDS:
            self._end_session(told.data, tenant)
        elif resource in _TENANT_WIDE:
            for drop in self._drop_tenant:
                drop(tenant)

    def lost(self, _: int) -> None:
        """Events may have been missed."""
        for drop in self._drop_all:
            drop()

    def _end_session(self, content: bytes, tenant: str) -> None:
        try:
            data = orjson.loads(content)
            session_id = str(data["id"])
        except (orjson.JSONDecodeError, KeyError, TypeError):
            # Rather forget too much than keep a session that has ended.
            for drop in self._drop_tenant:
                drop(tenant)
        else:
            self._drop_session(session_id)
