"""Field rules of roles: which fields of a resource are hidden, readable or writable; no I/O."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

# Trailing metadata of a call: the fields that its answer lacks, for they look as if empty there.
HIDDEN_FIELDS = "x-hidden-fields"
HIDDEN, READ, WRITE = range(3)
_LEVELS = {"HIDDEN": HIDDEN, "READ": READ}
# Without these nobody could name a record or change it safely: rules on them count for nothing.
_ALWAYS = frozenset({"id", "etag"})

# One role's rules: resource -> field -> level. What has no rule may be written.
Rules = Mapping[str, Mapping[str, int]]


@dataclass(frozen=True, slots=True)
class FieldAccess:
    """Fields of one resource that are hidden from a caller, and those that he may only read.

    The tenant's own fields are named `custom_fields.<name>`.
    """

    hidden: frozenset[str] = frozenset()
    read_only: frozenset[str] = frozenset()

    def level(self, path: str) -> int:
        """What may be done with a field, or with a part of one."""
        names = {path, path.partition(".")[0].partition("[")[0]}
        if names & self.hidden:
            return HIDDEN
        return READ if names & self.read_only else WRITE


EVERY_FIELD = FieldAccess()


def read_rules(value: object) -> Rules:
    """Rules as a role's `field_rules` hold them; of two on one field the wider counts."""
    rules: dict[str, dict[str, int]] = {}
    for one in value if isinstance(value, list) else ():
        fields = rules.setdefault(str(one.get("resource", "")), {})
        name, level = str(one.get("field", "")), _LEVELS.get(str(one.get("access")), WRITE)
        if name not in _ALWAYS:
            fields[name] = max(level, fields.get(name, HIDDEN))
    return rules


def widest(roles: Sequence[Mapping[str, int]]) -> FieldAccess:
    """What several roles allow together, by their rules on one resource: the widest wins."""
    if not all(roles):
        return EVERY_FIELD
    levels = {
        name: max(_level(rules, name) for rules in roles)
        for name in frozenset().union(*roles)
    }  # fmt: skip
    return FieldAccess(
        hidden=frozenset(name for name, level in levels.items() if level == HIDDEN),
        read_only=frozenset(name for name, level in levels.items() if level == READ),
    )


def wider(given: Mapping[str, int], own: FieldAccess) -> bool:
    """Whether rules on a resource leave open what one's own access does not."""
    return any(
        _level(given, name) > own.level(name) for name in own.hidden | own.read_only
    )  # fmt: skip


def _level(rules: Mapping[str, int], name: str) -> int:
    """A rule on a whole field holds for its parts as well."""
    return min(rules.get(one, WRITE) for one in (name, name.partition(".")[0]))


def restricted(rules: Iterable[Rules]) -> frozenset[str]:
    """The resources that some rule is about."""
    return frozenset(resource for one in rules for resource in one)
