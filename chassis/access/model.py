"""Who may do what: grants of roles, reporting lines, departments; values without I/O."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from chassis.access.field_rules import EVERY_FIELD, FieldAccess, Rules, read_rules, widest

ALL_RESOURCES = "*"
VERBS = (
    "READ", "CREATE", "UPDATE", "DELETE", "ASSIGN",
    "SHARE", "EXPORT", "IMPORT", "APPROVE", "CONFIGURE",
)  # fmt: skip
# The level of a share that a verb takes.
SHARED = {"READ": "READ", "EXPORT": "READ", "UPDATE": "WRITE"}
# Roles belong to nobody: a scope narrower than all reaches those that allow no more than one's own.
ROLES = "roles"
# Scopes that a wider one holds in itself; ALL holds every one, and everybody's own is the least.
_WITHIN = {"DEPARTMENT_TREE": frozenset({"DEPARTMENT"})}
# A partner user's other scopes end where his company does.
_WITHIN_COMPANY = {"PARTNER_COMPANY": frozenset({"SUBORDINATES", "DEPARTMENT", "DEPARTMENT_TREE"})}
_LEAST = frozenset({"", "SCOPE_UNSPECIFIED", "OWN"})
DEPTH_MAX = 100
RETENTION_DAYS = 30
REACH_CACHE_MAX = 10_000


@dataclass(frozen=True, slots=True)
class Reach:
    """The rows that one verb on one resource is allowed on: all, or those of owners, departments, a
    company.

    A partner user's reach has `company_id` and the departments that make up the company: only rows
    of that company are in it, whatever else it says.
    """

    everything: bool = False
    owner_ids: frozenset[str] = frozenset()
    department_ids: frozenset[str] = frozenset()
    company_id: str = ""
    company_all: bool = False
    # With whom records may be shared so that the caller has them, and the level that takes; "" for
    # verbs that no share allows.
    grantee_ids: frozenset[str] = frozenset()
    shares: str = ""
    company_department_ids: frozenset[str] = frozenset()
    # Of the settings of all collections those of this one, without these.
    of: str = ""
    without: frozenset[str] = frozenset()

    def covers(
        self,
        owner_id: str,
        department_id: str,
        company_id: str,
        grantee_ids: frozenset[str] = frozenset(),
    ) -> bool:
        """Whether a row with these three columns ("" for NULL) is within reach, one that is shared
        with these where it is known with whom.
        """
        if self.company_id and company_id != self.company_id:
            return False
        return (
            self.everything
            or self.company_all
            or (owner_id != "" and owner_id in self.owner_ids)
            or (department_id != "" and department_id in self.department_ids)
            or (self.shares == SHARED["READ"] and not self.grantee_ids.isdisjoint(grantee_ids))
        )


@dataclass(frozen=True, slots=True)
class Grant:
    """Verbs on one resource (or "*") within a scope."""

    resource: str
    verbs: frozenset[str]
    scope: str

    def covers(self, resource: str) -> bool:
        """Whether it allows anything on the resource."""
        return bool(self.verbs) and self.resource in {resource, ALL_RESOURCES}


def beyond(
    own: Iterable[Grant], wanted: Iterable[Grant], *, in_company: bool
) -> tuple[str, str] | None:
    """Resource and verb of a wanted grant that is not within one's own; None when all are.

    `in_company`: the grants are those of a partner user, given within his company.
    """
    held = list(own)
    within = {**_WITHIN, **_WITHIN_COMPANY} if in_company else _WITHIN
    for grant in wanted:
        for verb in sorted(grant.verbs):
            if not any(_holds(one, grant, verb, within) for one in held):
                return grant.resource, verb
    return None


def _holds(own: Grant, wanted: Grant, verb: str, within: Mapping[str, frozenset[str]]) -> bool:
    return (
        own.resource in {wanted.resource, ALL_RESOURCES}
        and verb in own.verbs
        and (
            own.scope in {"ALL", wanted.scope}
            or wanted.scope in _LEAST
            or wanted.scope in within.get(own.scope, ())
        )
    )


def scopes_allow(scopes: Collection[str], resource: str, verb: str) -> bool:
    """Whether scopes ("customers:read", "*:read", "customers:*") hold the verb; none narrow
    nothing.
    """
    wanted = {f"{one}:{may}" for one in (resource, "*") for may in (verb.lower(), "*")}
    return not scopes or not wanted.isdisjoint(scopes)


@dataclass(frozen=True, slots=True)
class Member:
    """A user or an API client as access sees him; what is the owner's own is the client's own."""

    owner_id: str = ""
    manager_id: str = ""
    department_id: str = ""
    role_ids: tuple[str, ...] = ()
    active: bool = True


@dataclass(frozen=True)
class Access:
    """Everything that decides access in one tenant, as of `version` (microseconds of the latest
    change).
    """

    version: int = 0
    # Whether nobody of the tenant may work.
    suspended: bool = False
    time_zone: str = "UTC"
    currency_code: str = "USD"
    fiscal_year_start_month: int = 1
    # Days that deleted records stay in the recycle bin.
    retention_days: int = RETENTION_DAYS
    members: Mapping[str, Member] = field(default_factory=dict)
    parents: Mapping[str, str] = field(default_factory=dict)
    roles: Mapping[str, tuple[Grant, ...]] = field(default_factory=dict)
    # Of those roles only that have some.
    field_rules: Mapping[str, Rules] = field(default_factory=dict)
    # As identity had it during this very call: who is not in it does not exist.
    renewed: bool = False

    @cached_property
    def _fields(self) -> dict[tuple[tuple[str, ...], str], FieldAccess]:
        return {}

    # Departments that are partner companies.
    companies: frozenset[str] = frozenset()
    # Deleted ones, which stay where they were.
    closed: frozenset[str] = frozenset()
    # Living roles with the company that made them.
    role_companies: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def _reaches(self) -> dict[tuple[str, tuple[str, ...], str, str], Reach | None]:
        return {}

    @cached_property
    def _reports(self) -> dict[str, list[str]]:
        return _children((user, member.manager_id) for user, member in self.members.items())

    @cached_property
    def _branches(self) -> dict[str, list[str]]:
        return _children(self.parents.items())

    def lineage(self, department_id: str) -> list[str]:
        """A department and those above it, itself first."""
        found: list[str] = []
        while department_id and department_id not in found and len(found) < DEPTH_MAX:
            found.append(department_id)
            department_id = self.parents.get(department_id, "")
        return found

    def company_of(self, user_id: str) -> str:
        """Partner company of a user; empty for people of the head office and for nobody."""
        member = self.members.get(user_id)
        return self.company_at(member.department_id) if member else ""

    def company_at(self, department_id: str) -> str:
        """Partner company that a department lies in or is; empty for one of the head office."""
        lineage = self.lineage(department_id) if self.companies else ()
        return next((one for one in lineage if one in self.companies), "")

    def reach(
        self, user_id: str, role_ids: tuple[str, ...], company_id: str, resource: str, verb: str
    ) -> Reach | None:
        """Rows that the user's roles allow the verb on; None when no role allows it at all."""
        key = (user_id + company_id, role_ids, resource, verb)
        if key not in self._reaches:
            if len(self._reaches) >= REACH_CACHE_MAX:
                self._reaches.clear()
            self._reaches[key] = self._compute(user_id, role_ids, company_id, resource, verb)
        return self._reaches[key]

    def field_access(self, role_ids: tuple[str, ...], resource: str) -> FieldAccess:
        """What the roles that grant anything on the resource let be seen and set of its fields."""
        if not self.field_rules:
            return EVERY_FIELD
        key = (role_ids, resource)
        if key not in self._fields:
            if len(self._fields) >= REACH_CACHE_MAX:
                self._fields.clear()
            self._fields[key] = widest(
                [
                    self.field_rules.get(role, {}).get(resource, {})
                    for role in role_ids
                    if any(one.covers(resource) for one in self.roles.get(role, ()))
                ]
            )
        return self._fields[key]

    def _compute(
        self, user_id: str, role_ids: tuple[str, ...], company_id: str, resource: str, verb: str
    ) -> Reach | None:
        scopes = {
            grant.scope
            for role in role_ids
            for grant in self.roles.get(role, ())
            if grant.resource in {resource, ALL_RESOURCES} and verb in grant.verbs
        }
        if not scopes:
            return None
        owner_id = self.members.get(user_id, Member()).owner_id or user_id
        if resource == ROLES and (company_id or "ALL" not in scopes):
            return Reach(owner_ids=self._roles_within(role_ids, company_id, verb))
        member = self.members.get(owner_id, Member())
        owners, departments = {owner_id}, set()
        if "SUBORDINATES" in scopes:
            owners |= _below(self._reports, owner_id)
        if member.department_id and scopes & {"DEPARTMENT", "DEPARTMENT_TREE"}:
            departments.add(member.department_id)
        if member.department_id and "DEPARTMENT_TREE" in scopes:
            departments |= _below(self._branches, member.department_id)
        return Reach(
            everything="ALL" in scopes,
            owner_ids=frozenset(owners),
            department_ids=frozenset(departments),
            company_id=company_id,
            company_all=bool(company_id) and "PARTNER_COMPANY" in scopes,
            company_department_ids=frozenset(
                {company_id} | _below(self._branches, company_id) if company_id else ()
            ),
            grantee_ids=frozenset({owner_id, *self.lineage(member.department_id)}),
            shares=SHARED.get(verb, ""),
        )

    def _roles_within(self, role_ids: Iterable[str], company_id: str, verb: str) -> frozenset[str]:
        """The living roles that allow no more than these do; a company changes its own ones only,
        and sees none of another's.
        """
        own = [grant for role in role_ids for grant in self.roles.get(role, ())]
        mine = {company_id} if company_id and verb != "READ" else {"", company_id}
        return frozenset(
            role
            for role, company in self.role_companies.items()
            if company in mine
            and beyond(own, self.roles.get(role, ()), in_company=bool(company_id)) is None
        )


def _children(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    children: dict[str, list[str]] = {}
    for child, parent in pairs:
        if parent:
            children.setdefault(parent, []).append(child)
    return children


def _below(children: Mapping[str, list[str]], top: str) -> set[str]:
    """All nodes under `top`; cycles and endless chains end at DEPTH_MAX levels."""
    found: set[str] = set()
    level = [top]
    for _ in range(DEPTH_MAX):
        level = [child for node in level for child in children.get(node, ()) if child not in found]
        if not level:
            break
        found.update(level)
    return found


@dataclass(frozen=True, slots=True)
class AccessRecord:
    """The tenant itself, one user, API client, department or role as its events carry it; `data`
    is the JSON representation.
    """

    kind: str
    id: str
    version: int
    data: Mapping[str, object]


def build_access(records: Iterable[AccessRecord], version: int) -> Access:
    """The access of a tenant from its records; deleted roles and disabled users grant nothing.

    A deleted department stays where it was: rows still name it, and whoever is left in it belongs
    to the same company.
    """
    tenant: Mapping[str, object] = {}
    members: dict[str, Member] = {}
    parents: dict[str, str] = {}
    roles: dict[str, tuple[Grant, ...]] = {}
    field_rules: dict[str, Rules] = {}
    role_companies: dict[str, str] = {}
    companies: set[str] = set()
    closed: set[str] = set()
    for record in records:
        data = record.data
        if record.kind == "tenant":
            tenant = data
        elif record.kind in {"user", "api_client"}:
            members[record.id] = _member(data)
        elif record.kind == "role":
            roles[record.id] = () if data.get("delete_time") else _grants(data)
            if data.get("field_rules"):
                field_rules[record.id] = read_rules(data["field_rules"])
            if not data.get("delete_time"):
                role_companies[record.id] = _text(data, "partner_company_id")
        else:
            parents[record.id] = _text(data, "parent_id")
            if data.get("delete_time"):
                closed.add(record.id)
            if data.get("kind") == "PARTNER_COMPANY":
                companies.add(record.id)
    return Access(
        version=version,
        suspended=tenant.get("state") == "SUSPENDED",
        time_zone=_text(tenant, "time_zone") or "UTC",
        currency_code=_text(tenant, "currency_code") or "USD",
        fiscal_year_start_month=_number(tenant, "fiscal_year_start_month") or 1,
        retention_days=_number(tenant, "retention_days") or RETENTION_DAYS,
        members=members,
        parents=parents,
        roles=roles,
        field_rules=field_rules,
        companies=frozenset(companies),
        closed=frozenset(closed),
        role_companies=role_companies,
    )


def _member(data: Mapping[str, object]) -> Member:
    role_ids = data.get("role_ids")
    return Member(
        owner_id=_text(data, "owner_id"),
        manager_id=_text(data, "manager_id"),
        department_id=_text(data, "department_id"),
        role_ids=tuple(str(role) for role in role_ids) if isinstance(role_ids, list) else (),
        active=data.get("state") != "DISABLED" and not data.get("delete_time"),
    )


def _grants(data: Mapping[str, object]) -> tuple[Grant, ...]:
    grants = data.get("grants")
    return tuple(
        Grant(
            resource=_text(grant, "resource"),
            verbs=frozenset(grant.get("verbs", ())),
            scope=_text(grant, "scope"),
        )
        for grant in (grants if isinstance(grants, list) else [])
    )


def _number(data: Mapping[str, object], name: str) -> int:
    value = data.get(name)
    return value if isinstance(value, int) else 0


def _text(data: Mapping[str, object], name: str) -> str:
    value = data.get(name)
    return value if isinstance(value, str) else ""
