"""Every invariant holds for a small world as it should be, and finds what is made wrong in it."""

from collections.abc import Callable
from dataclasses import replace

import msgspec
import pytest

from tests.fault.campaign.checker import check
from tests.fault.campaign.history import Event, canary, other_canaries
from tests.fault.campaign.world import Change, Logged, Pair, Sent, World

TENANT, OTHER = "t1", "t2"
WORDS = {TENANT: "canary00000001", OTHER: "canary00000002"}


def record(name: str, version: int, description: str = "") -> dict[str, object]:
    """A representation."""
    etag = f'"{version}"'
    return {"id": "r1", "name": name, "description": description, "delete_time": None, "etag": etag}


def history() -> list[Event]:
    """One client makes a record and changes it under two keys; the first is repeated."""
    own = WORDS[TENANT]

    def event(op: str, kind: str, f: str, **more: object) -> Event:
        made = {"op": op, "kind": kind, "f": f, "t": 0.0, "tenant": TENANT, "process": 0, **more}
        return msgspec.convert(made, Event)

    made = {"value": f"{own} 0-1.", "keys": ["r1"], "versions": [1], "status": 200}
    changed = {"value": f"{own} 0-2.", "keys": ["r1"], "versions": [2], "status": 200}
    more = {"value": f"{own} 0-3.", "keys": ["r1"], "versions": [3], "status": 200}
    return [
        event("0-1", "invoke", "create", value=made["value"]),
        event("0-1", "ok", "create", **made),
        event("0-1", "replay", "create", **{**made, "versions": [1]}),
        event("0-2", "invoke", "append", **{**changed, "versions": [1]}),
        event("0-2", "info", "append", **{**changed, "versions": [1], "status": 503}),
        event("0-2", "invoke", "append", **{**changed, "versions": [1]}),
        event("0-2", "ok", "append", **changed, seen=[f"{own} 0-2."]),
        event("0-3", "invoke", "append", **{**more, "versions": [2]}),
        event("0-3", "ok", "append", **more, seen=[f"{own} 0-2. {own} 0-3."]),
        event("0-4", "invoke", "own", keys=["r1"]),
        event("0-4", "ok", "own", keys=["r1"], versions=[3], status=200),
    ]


def world() -> World:
    """What it leaves behind."""
    own = WORDS[TENANT]
    texts = ["", f"{own} 0-2.", f"{own} 0-2. {own} 0-3."]
    name = f"{own} 0-1."
    changes = [
        Change(
            "sales", TENANT, f"e{version}", "opportunity", "r1", version,
            {"description": {"from": texts[version - 2], "to": texts[version - 1]}}
            if version > 1 else {},
            record(name, version, texts[version - 1]),
        )
        for version in (1, 2, 3)
    ]  # fmt: skip
    return World(
        canaries=WORDS,
        changes=changes,
        rows={"r1": 3},
        finals={"r1": changes[-1].representation},
        streams={"sales": [Sent(c.id, TENANT, c.resource, c.record, c.version) for c in changes]},
        log=[Logged(TENANT, c.id, at) for at, c in enumerate(changes, 1)],
        pairs=[Pair("facts", {"r1": "3"}, {"r1": "3"})],
        bank_total=0,
    )


def test_a_world_as_it_should_be() -> None:
    assert not any(check(history(), world()).values())


Damage = Callable[[list[Event], World], None]


def lose_a_change(_events: list[Event], seen: World) -> None:
    del seen.changes[2]


def do_it_twice(_events: list[Event], seen: World) -> None:
    made = seen.changes[0]
    seen.changes.append(replace(made, id="e9", record="r9"))


def refuse_a_repetition(events: list[Event], _seen: World) -> None:
    events[2] = msgspec.structs.replace(events[2], status=422)


def skip_a_version(_events: list[Event], seen: World) -> None:
    seen.changes[2] = replace(seen.changes[2], version=4)


def tell_nothing(_events: list[Event], seen: World) -> None:
    seen.finals["r1"] = record("another", 3)


def forget_to_publish(_events: list[Event], seen: World) -> None:
    del seen.streams["sales"][1]


def forget_to_log(_events: list[Event], seen: World) -> None:
    del seen.log[2]


def log_twice(_events: list[Event], seen: World) -> None:
    seen.log.append(Logged(TENANT, "e1", 4))


def publish_backwards(_events: list[Event], seen: World) -> None:
    seen.streams["sales"].reverse()


def miscount(_events: list[Event], seen: World) -> None:
    seen.recomputed.append("t1 stage: lacks 1")


def lag_behind(_events: list[Event], seen: World) -> None:
    seen.pairs.append(Pair("facts", {"r1": "3"}, {"r1": "2"}))


def leak(events: list[Event], _seen: World) -> None:
    events.append(msgspec.structs.replace(events[-1], kind="leak", value=WORDS[OTHER]))


def mix_tenants(_events: list[Event], seen: World) -> None:
    seen.changes[0] = replace(seen.changes[0], tenant=OTHER)


def go_back(events: list[Event], _seen: World) -> None:
    events[-1] = msgspec.structs.replace(events[-1], versions=[2])


def overwrite(events: list[Event], _seen: World) -> None:
    events[7] = msgspec.structs.replace(events[7], versions=[1])


def lose_an_item(_events: list[Event], seen: World) -> None:
    seen.finals["r1"] = record("x", 3, "something else")


def lose_money(_events: list[Event], seen: World) -> None:
    seen.accounts = {TENANT: ("r1",)}
    seen.bank_total = 1000


def never_answer(events: list[Event], _seen: World) -> None:
    del events[-1]


def refuse(events: list[Event], _seen: World) -> None:
    events[-1] = msgspec.structs.replace(events[-1], kind="fail", status=404, note="NOT_FOUND")


def park(_events: list[Event], seen: World) -> None:
    seen.troubles.append("reporting-pipeline parked e1")


def hold(_events: list[Event], seen: World) -> None:
    seen.leaks.append("sales-runtime: 9 connections")


def break_the_log(_events: list[Event], seen: World) -> None:
    seen.broken_logs.append("t1")


@pytest.mark.parametrize(
    ("invariant", "damage"),
    [
        ("I1", lose_a_change), ("I2", do_it_twice), ("I2", refuse_a_repetition),
        ("I3", skip_a_version), ("I3", tell_nothing), ("I4", forget_to_publish),
        ("I4", forget_to_log), ("I5", log_twice), ("I6", publish_backwards), ("I7", miscount),
        ("I7", lag_behind), ("I8", leak), ("I8", mix_tenants), ("I9", go_back),
        ("I10", overwrite), ("I10", lose_an_item), ("I10", lose_money), ("I11", never_answer),
        ("I11", refuse), ("I11", park), ("I12", hold), ("I13", forget_to_log),
        ("I13", break_the_log),
    ],
)  # fmt: skip
def test_damage_is_found(invariant: str, damage: Damage) -> None:
    events, seen = history(), world()
    damage(events, seen)
    assert check(events, seen)[invariant]


def test_an_unknown_change_may_be_there_or_not() -> None:
    events, seen = history()[:3], world()
    events = [msgspec.structs.replace(events[0], kind="info")]
    found = check(events, seen)
    assert not found["I2"]
    assert found["I11"] == ["0-1 create: nobody knows what became of it"]


def test_canaries_of_others_are_found() -> None:
    own, other = canary("fault0-00000001"), canary("fault1-00000002")
    assert not other_canaries(own).search(f"{own} 1-2.")
    assert other_canaries(own).search(f"{own} {other}")
