"""The roles that every new tenant begins with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

ADMINISTRATOR = "administrator"
_ALL_VERBS = (
    "READ", "CREATE", "UPDATE", "DELETE", "ASSIGN",
    "SHARE", "EXPORT", "IMPORT", "APPROVE", "CONFIGURE",
)  # fmt: skip
_WORK = ("READ", "CREATE", "UPDATE", "DELETE")
_MANAGE = (*_WORK, "ASSIGN", "SHARE", "EXPORT", "IMPORT", "APPROVE")
_COLLEAGUES = ("users", "departments", "roles", "tenant")
_CATALOGUE = ("products", "pipelines", "stages")
_CAMPAIGNS = ("campaigns", "campaign_members")
_BUSINESS = ("customers", "contacts", "opportunities")
_COMPANY = "PARTNER_COMPANY"

Grant = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class ReadyMadeRole:
    """One role; programs know it by its key, people by name and description."""

    key: str
    name: str
    description: str
    grants: Sequence[Grant]


def ready_made_roles() -> tuple[ReadyMadeRole, ...]:
    """The roles, the administrator's first."""
    return (*_leading_roles(), *_other_roles(), *_partner_roles())


def _leading_roles() -> tuple[ReadyMadeRole, ...]:
    return (
        ReadyMadeRole(
            ADMINISTRATOR,
            "Administrator",
            "May do everything. 可以执行所有操作。",
            [_grant("*", _ALL_VERBS, "ALL")],
        ),
        ReadyMadeRole(
            "manager",
            "Manager",
            "Leads people: the records of his department and of those who report to him. "
            "管理团队：本部门及下级部门、下属人员的记录。",
            [
                *_each(_BUSINESS, _MANAGE, "DEPARTMENT_TREE"),
                *_each(_BUSINESS, _MANAGE, "SUBORDINATES"),
                *_each(("announcements",), _WORK, "OWN"),
                *_each((*_CAMPAIGNS, *_COLLEAGUES, *_CATALOGUE), ("READ",), "ALL"),
            ],
        ),
    )


def _other_roles() -> tuple[ReadyMadeRole, ...]:
    return (
        ReadyMadeRole(
            "salesperson",
            "Salesperson",
            "Works on his own customers and opportunities. 处理自己的客户和商机。",
            [
                *_each(_BUSINESS, (*_WORK, "SHARE"), "OWN"),
                *_each((*_CAMPAIGNS, *_COLLEAGUES, *_CATALOGUE), ("READ",), "ALL"),
            ],
        ),
        ReadyMadeRole(
            "marketing",
            "Marketing",
            "Runs campaigns with all customers and contacts. 面向所有客户和联系人开展市场活动。",
            [
                *_each(_CAMPAIGNS, _MANAGE, "ALL"),
                *_each(("customers", "contacts"), ("READ", "CREATE", "UPDATE"), "ALL"),
                *_each((*_COLLEAGUES, *_CATALOGUE, "opportunities"), ("READ",), "ALL"),
            ],
        ),
        ReadyMadeRole(
            "service",
            "Service",
            "Serves all customers. 为所有客户提供服务。",
            [
                *_each(("customers", "contacts"), ("READ", "CREATE", "UPDATE"), "ALL"),
                *_each((*_COLLEAGUES, *_CATALOGUE), ("READ",), "ALL"),
            ],
        ),
        ReadyMadeRole(
            "finance",
            "Finance",
            "Reads and exports customers and opportunities, approves. "
            "查看并导出客户和商机，负责审批。",
            [
                *_each(_BUSINESS, ("READ", "EXPORT", "APPROVE"), "ALL"),
                *_each((*_COLLEAGUES, *_CATALOGUE), ("READ",), "ALL"),
            ],
        ),
        ReadyMadeRole(
            "read_only",
            "Read-only",
            "Sees everything and changes nothing. 可查看全部内容，不可修改。",
            [_grant("*", ("READ",), "ALL")],
        ),
    )


def _partner_roles() -> tuple[ReadyMadeRole, ...]:
    """A partner user's rights end where his company does, whatever their scope."""
    return (
        ReadyMadeRole(
            "partner_administrator",
            "Partner administrator",
            "Manages people, departments and records of his own partner company. "
            "管理本合作伙伴公司的人员、部门和业务记录。",
            [
                *_each(("users", "departments"), (*_WORK, "CONFIGURE"), _COMPANY),
                *_each(_BUSINESS, (*_WORK, "ASSIGN", "SHARE", "EXPORT", "IMPORT"), _COMPANY),
                _grant("roles", ("READ",), _COMPANY),
                *_each(_CATALOGUE, ("READ",), "ALL"),
            ],
        ),
        ReadyMadeRole(
            "partner_user",
            "Partner user",
            "Works on his own customers and opportunities within his partner company. "
            "在本合作伙伴公司内处理自己的客户和商机。",
            [
                *_each(_BUSINESS, (*_WORK, "SHARE"), "OWN"),
                *_each(("users", "departments", "roles"), ("READ",), _COMPANY),
                *_each(_CATALOGUE, ("READ",), "ALL"),
            ],
        ),
    )


def _each(resources: tuple[str, ...], verbs: tuple[str, ...], scope: str) -> list[Grant]:
    return [_grant(resource, verbs, scope) for resource in resources]


def _grant(resource: str, verbs: tuple[str, ...], scope: str) -> Grant:
    return {"resource": resource, "verbs": list(verbs), "scope": scope}
