"""The invariants of a CRM under faults: `check(history, world)` says what was violated. Pure."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from tests.fault.campaign.history import CHANGES, Event
from tests.fault.campaign.world import Change, World

# Bookkeeping of which a change does not tell.
UNTOLD: Final = frozenset({"etag", "update_time", "updater_id"})
# Events of what is no record: their version is always 1.
HAPPENINGS: Final = frozenset({"export", "session", "password", "client_token"})
# What may be refused for good: somebody else was quicker, or a reference is not known yet.
REFUSALS: Final = frozenset({"ETAG_MISMATCH", "INVALID_FIELDS", "REFERENCE_NOT_FOUND"})
DELETED: Final = {"delete": True, "restore": False}
EXAMPLES_MAX: Final = 20
IMPORT_ROWS: Final = 5
WRITES: Final = ("create", "cas", "append", "transfer", "delete", "restore")


class Facts:
    """History and world, put in order once for all invariants."""

    def __init__(self, history: Sequence[Event], world: World) -> None:
        self.history = history
        self.world = world
        self.ops: dict[str, list[Event]] = defaultdict(list)
        for event in history:
            self.ops[event.op].append(event)
        self.changes: dict[str, list[Change]] = defaultdict(list)
        # Which changes wrote a value: those whose record began with it or changed to it.
        self.effects: dict[str, list[Change]] = defaultdict(list)
        for change in sorted(world.changes, key=lambda one: one.version):
            self.changes[change.record].append(change)
            for value in written(change):
                self.effects[value].append(change)

    def done(self, *names: str) -> Iterable[Event]:
        """The ok events of these functions."""
        return (one for one in self.history if one.kind == "ok" and one.f in names)


def check(history: Sequence[Event], world: World) -> dict[str, list[str]]:
    """Violations by invariant; an empty list for one that holds."""
    facts = Facts(history, world)
    return {name: invariant(facts) for name, invariant in INVARIANTS.items()}


def acknowledged_is_there(facts: Facts) -> list[str]:
    """I1: every change that was acknowledged is in the history of its record, with its value."""
    found = []
    for event in facts.done(*WRITES):
        for record, version in zip(event.keys, event.versions, strict=True):
            if not any(_says(change, event, version) for change in facts.changes[record]):
                found.append(f"{event.op} {event.f} {record} version {version} is lost")
    for event in facts.done("import"):
        names = [f"{event.value}{row}" for row in range(IMPORT_ROWS)]
        found += [f"{event.op} import: {name} is lost" for name in names if not facts.effects[name]]
    return found


def whole_or_nothing(facts: Facts) -> list[str]:
    """I2: a change happens once if it was acknowledged, never if it was refused, at most once if
    nobody knows, and in all of its records or in none; a repeated request answers the same.
    """
    found = []
    for op, events in facts.ops.items():
        last = [one for one in events if one.kind != "replay"][-1]
        if last.f not in CHANGES or not last.value or last.f == "import":
            continue
        effects = Counter(one.record for one in facts.effects[last.value])
        # A creation names no records: it makes one.
        wanted = len(events[0].keys) or 1
        allowed = {"ok": {wanted}, "fail": {0}}.get(last.kind, {0, wanted})
        if len(effects) not in allowed or any(count > 1 for count in effects.values()):
            found.append(f"{op} {last.f} {last.kind}: {sum(effects.values())} effects")
    return found + _replays(facts)


def _replays(facts: Facts) -> list[str]:
    found = []
    for op, events in facts.ops.items():
        answers = [one for one in events if one.kind in {"ok", "replay"} and one.f in CHANGES]
        if any(one.status != 200 for one in answers):
            found.append(f"{op}: repeated and refused with {[one.status for one in answers]}")
        elif len({tuple(sorted(one.keys)) for one in answers}) > 1:
            found.append(f"{op}: repeated and answered with other records")
    return found


def history_makes_the_row(facts: Facts) -> list[str]:
    """I3: versions run from 1 without a gap, and the changes added up are the record as read."""
    found = []
    for record, changes in facts.changes.items():
        versions = [one.version for one in changes if one.resource not in HAPPENINGS]
        if not versions:
            continue
        if versions != list(range(1, len(versions) + 1)):
            found.append(f"{record}: versions {versions[:EXAMPLES_MAX]}")
            continue
        if record not in facts.world.rows:
            continue
        if facts.world.rows[record] != len(versions):
            found.append(f"{record}: {len(versions)} changes, row {facts.world.rows[record]}")
        if _told(_folded(changes)) != _told(changes[-1].representation):
            found.append(f"{record}: the changes do not add up to the last representation")
        if facts.world.finals.get(record) != changes[-1].representation:
            found.append(f"{record}: is read otherwise than its last event says")
    gone = facts.world.rows.keys() - facts.changes.keys()
    return found + [f"{record}: a row without history" for record in sorted(gone)]


def everybody_hears(facts: Facts) -> list[str]:
    """I4: every change is in its stream and in the operation log, and nothing else is."""
    committed: dict[str, set[str]] = defaultdict(set)
    for change in facts.world.changes:
        committed[change.service].add(change.id)
    found = []
    for service in sorted(committed.keys() | facts.world.streams.keys()):
        sent = {one.id for one in facts.world.streams.get(service, [])} - facts.world.planted
        found += [f"{one} of {service} is not in the stream" for one in committed[service] - sent]
        found += [
            f"{one} in the stream of {service} never was" for one in sent - committed[service]
        ]
    every = set().union(*committed.values())
    logged = {one.id for one in facts.world.log} - facts.world.planted
    found += [f"{one} is not in the operation log" for one in every - logged]
    return found + [f"{one} in the operation log never was" for one in logged - every]


def applied_once(facts: Facts) -> list[str]:
    """I5: no event has an effect twice: the log has each once, and numbers without a gap."""
    counts = Counter((one.tenant, one.id) for one in facts.world.log)
    found = [f"{one} is logged {count} times" for one, count in counts.items() if count > 1]
    by_tenant: dict[str, list[int]] = defaultdict(list)
    for one in facts.world.log:
        by_tenant[one.tenant].append(one.sequence)
    return found + [
        f"the log of {tenant} has gaps or repetitions"
        for tenant, numbers in by_tenant.items()
        if sorted(numbers) != list(range(1, len(numbers) + 1))
    ]


def in_order(facts: Facts) -> list[str]:
    """I6: versions of a record come into the stream for the first time in their order."""
    found = []
    for service, messages in facts.world.streams.items():
        seen: set[str] = set()
        last: dict[str, int] = {}
        for one in messages:
            known = one.id in seen or one.id in facts.world.planted
            seen.add(one.id)
            if known or one.resource in HAPPENINGS:
                continue
            if one.version != last.get(one.record, 0) + 1:
                found.append(f"{service} {one.record}: {one.version} after {last.get(one.record)}")
            last[one.record] = one.version
    return found


def read_models_are_right(facts: Facts) -> list[str]:
    """I7: replicas and read models are what their owners have, sums are what they sum."""
    pairs = [line for pair in facts.world.pairs for line in pair.differences()]
    return pairs + facts.world.recomputed


def tenants_are_apart(facts: Facts) -> list[str]:
    """I8: nobody is ever given a byte of another tenant."""
    leaks = [f"{e.op} {e.f}: {e.value}" for e in facts.history if e.kind == "leak"]
    for change in facts.world.changes:
        own = facts.world.canaries.get(change.tenant, "")
        name = str(change.representation.get("name", ""))
        if name.startswith("canary") and not name.startswith(own or "-"):
            leaks.append(f"{change.record} of {change.tenant}: {name}")
    return leaks + facts.world.strays


def never_back(facts: Facts) -> list[str]:
    """I9: a client never sees an older version of a record after a newer one."""
    newest: dict[tuple[int, str], int] = {}
    found = []
    for event in facts.history:
        if event.kind != "ok" or event.f == "file":
            continue
        for key, version in zip(event.keys, event.versions, strict=False):
            if version < newest.get((event.process, key), 0):
                found.append(f"{event.op} {event.f}: {key} went back to version {version}")
            newest[event.process, key] = max(version, newest.get((event.process, key), 0))
    return found


def one_winner(facts: Facts) -> list[str]:
    """I10: of those who change the same version one wins; lists keep what was appended; the money
    of a bank stays the same.
    """
    found = []
    for event in facts.done("cas", "append", "transfer"):
        asked = facts.ops[event.op][0]
        expected = dict(zip(asked.keys, asked.versions, strict=True))
        for change in facts.effects[event.value]:
            based_on = expected.get(change.record, 0)
            if change.version != based_on + 1:
                found += [f"{event.op} {event.f}: version {change.version} upon {based_on}"]
    return found + _lists(facts) + _banks(facts)


def _lists(facts: Facts) -> list[str]:
    found = []
    for event in facts.done("append"):
        final = str(facts.world.finals.get(event.keys[0], {}).get("description", ""))
        if not final.startswith(event.seen[0]):
            found += [f"{event.op}: the list lost what was appended before"]
    return found


def _banks(facts: Facts) -> list[str]:
    total = facts.world.bank_total
    sums = [(event.op, sum(float(one) for one in event.seen)) for event in facts.done("bank")]
    for tenant, accounts in facts.world.accounts.items():
        amounts = [facts.world.finals.get(one, {}).get("amount") for one in accounts]
        sums.append((tenant, sum(float(one["amount"]) for one in amounts if isinstance(one, dict))))
    return [f"{name}: the bank has {found}, not {total}" for name, found in sums if found != total]


def everything_works_again(facts: Facts) -> list[str]:
    """I11: in the end nothing is late, parked or undecided; nobody was refused without reason."""
    found = list(facts.world.troubles)
    # What is away is said to be away; a 500 is a fault of our own.
    found += [f"{one.op} {one.f}: {one.note}" for one in facts.history if one.status == 500]
    for op, events in facts.ops.items():
        last = [one for one in events if one.kind in {"ok", "fail", "info", "invoke"}][-1:]
        for one in last:
            if one.kind in {"info", "invoke"}:
                found.append(f"{op} {one.f}: nobody knows what became of it")
            elif one.kind == "fail" and one.note not in REFUSALS:
                found.append(f"{op} {one.f}: refused with {one.status} {one.note}")
    return found


def nothing_leaks(facts: Facts) -> list[str]:
    """I12: connections and transactions are given back."""
    return list(facts.world.leaks)


def log_proves(facts: Facts) -> list[str]:
    """I13: the chain of every log verifies, and has one entry for each acknowledged change."""
    entries = Counter(one.id for one in facts.world.log)
    found = list(facts.world.broken_logs)
    for event in facts.done(*WRITES):
        for record, version in zip(event.keys, event.versions, strict=True):
            ids = [c.id for c in facts.changes[record] if c.version == version]
            if [entries[one] for one in ids] != [1]:
                found.append(f"{event.op} {record} version {version}: not one entry of {ids}")
    return found


def _says(change: Change, event: Event, version: int) -> bool:
    """Whether the operation made the change; a repeated answer may tell a later version."""
    if event.f in DELETED:
        gone = bool(change.representation.get("delete_time"))
        return change.version == version and gone == DELETED[event.f]
    return event.value in written(change) and change.version <= version


def written(change: Change) -> set[str]:
    """The unique values that a change wrote: a name at first, later the end of a text."""
    if change.version == 1:
        return {str(change.representation.get("name", ""))}
    told = change.changes.get("description")
    if not isinstance(told, dict):
        return set()
    before, after = str(told.get("from") or ""), str(told.get("to") or "")
    return {after, after.removeprefix(before).strip()}


def _folded(changes: Sequence[Change]) -> dict[str, object]:
    state = dict(changes[0].representation)
    for change in changes[1:]:
        for name, told in change.changes.items():
            if isinstance(told, dict) and name in state:
                state[name] = told.get("to")
    return state


def _told(record: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in record.items() if name not in UNTOLD}


INVARIANTS: Final[dict[str, Callable[[Facts], list[str]]]] = {
    "I1": acknowledged_is_there,
    "I2": whole_or_nothing,
    "I3": history_makes_the_row,
    "I4": everybody_hears,
    "I5": applied_once,
    "I6": in_order,
    "I7": read_models_are_right,
    "I8": tenants_are_apart,
    "I9": never_back,
    "I10": one_winner,
    "I11": everything_works_again,
    "I12": nothing_leaks,
    "I13": log_proves,
}
