"""The call: who asks for what until when, built at the edge and passed on explicitly."""

from dataclasses import dataclass, field
from datetime import datetime

from chassis.access.field_rules import HIDDEN, FieldAccess
from chassis.access.model import Access, Reach, scopes_allow
from chassis.custom_fields.model import NO_CUSTOM_FIELDS, CustomFields
from chassis.errors import PermissionDenied
from chassis.ids import new_id

# The kinds of principals that belong to a tenant and have roles there.
MEMBERS = frozenset({"user", "client"})


@dataclass(frozen=True, slots=True)
class Principal:
    """Who is calling: a user or an API client (`kind` "client") of one tenant, or one of our own
    services (`kind` "service", no tenant). `scopes` narrow what the roles allow.
    """

    kind: str
    id: str
    tenant_id: str = ""
    session_id: str = ""
    role_ids: tuple[str, ...] = ()
    partner_company_id: str = ""
    access_version: int = 0
    scopes: tuple[str, ...] = ()
    # Reason for which the session may do nothing else first (a one-time password); "" for most.
    restriction: str = ""


class SessionRestricted(PermissionDenied):
    """The session may do nothing else before what the reason names is put right."""

    def __init__(self, restriction: str) -> None:
        super().__init__(restriction, "Your session is restricted until this is put right.")


@dataclass(slots=True)
class IdempotencyKey:
    """A key that the first change of the call takes along into its statement, once.

    A batch names all its records in `record_ids`, in the order of its request.
    """

    method: str
    key: str
    fingerprint: str
    taken: bool = False
    record_ids: list[str] | None = None

    def take(self) -> bool:
        """True for the first one who asks."""
        first, self.taken = not self.taken, True
        return first


@dataclass(frozen=True, slots=True)
class Call:
    """One call with everything that decides about it; `deadline` is seconds of the event loop's
    clock.
    """

    principal: Principal
    access: Access
    method: str
    now: datetime
    deadline: float
    request_id: str = ""
    traceparent: str = ""
    through: str = "user"
    cause_id: str = ""
    if_match: str = ""
    idempotency: IdempotencyKey | None = field(default=None)
    custom: CustomFields = NO_CUSTOM_FIELDS
    # A collection whose rows the method itself has decided about, by rights on another one.
    granted: str = ""

    @property
    def tenant_id(self) -> str:
        """Tenant on whose data the call works; empty for calls of services."""
        return self.principal.tenant_id

    @property
    def user_id(self) -> str:
        """The user whose own records are the caller's own: himself, or an API client's owner."""
        member = self.access.members.get(self.principal.id)
        return (member.owner_id if member else "") or self.principal.id

    def reach(self, resource: str, verb: str) -> Reach:
        """Rows of the resource that the caller may do the verb to; PermissionDenied when there are
        none.
        """
        if resource == self.granted:
            return Reach(everything=True)
        who = self.principal
        reach = self.access.reach(who.id, who.role_ids, who.partner_company_id, resource, verb)
        allowed = who.kind in MEMBERS and scopes_allow(who.scopes, resource, verb)
        if reach is None or not allowed:
            raise denied(resource, verb)
        return reach

    def require_all(self, resource: str, verb: str) -> None:
        """PermissionDenied for who may not do the verb to all of the tenant's records: what is done
        is about none of them alone.
        """
        reach = self.reach(resource, verb)
        if not reach.everything or reach.company_id:
            raise PermissionDenied(
                "SCOPE_ALL_REQUIRED",
                f"This takes a role that allows to {verb.lower()} {resource} with scope ALL.",
                metadata={"verb": verb.lower(), "resource": resource},
            )

    def hidden_settings(self, resource: str) -> frozenset[str]:
        """Own fields, and choices of fields, that the caller's roles hide from him; ids."""
        own, access = self.custom.of(resource), self.field_access(resource)
        ids = [(one.path, (one.id, *one.choices)) for one in own.definitions]
        ids += [(name, tuple(choices)) for name, choices in own.lists.items()]
        hidden = (found for path, found in ids if access.level(path) == HIDDEN)
        return frozenset(one for found in hidden for one in found)

    def field_access(self, resource: str) -> FieldAccess:
        """Which fields of the resource the caller's roles hide from him or let him only read."""
        return self.access.field_access(self.principal.role_ids, resource)


def denied(resource: str, verb: str) -> PermissionDenied:
    """What is said to who may not do the verb."""
    return PermissionDenied(
        "PERMISSION_DENIED",
        f"Your roles do not allow you to {verb.lower()} {resource}.",
        metadata={"verb": verb.lower(), "resource": resource},
    )


def service_call(service: str, tenant_id: str, now: datetime, cause_id: str = "") -> Call:
    """The call of a service that works by itself; it has no rights of a user and needs none."""
    return Call(
        principal=Principal(kind="service", id=service, tenant_id=tenant_id),
        access=Access(),
        method="",
        now=now,
        deadline=0.0,
        request_id=new_id(),
        through="rule",
        cause_id=cause_id,
    )
