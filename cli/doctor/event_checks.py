"""Checks of what is on its way: broker, relays, consumers, parked messages."""

from collections.abc import Mapping
from typing import Final

from chassis.events.streams import EDGE, stream_name
from cli.doctor.facts import Facts
from cli.doctor.findings import Check, Result, inside, runbook

# As the alerts of the same names have them (deploy/observability/alerts.yaml).
UNPUBLISHED_S_MAX: Final = 30
PENDING_MAX: Final = 1000
DELAY_S_MAX: Final = 60
# What a single look can tell.
STREAM_SHARE_MAX: Final = 0.9


def _broker(facts: Facts) -> Result:
    broker, next_ = facts.broker, runbook("RelayWithoutLeader")
    if broker is None:
        return Result((), "")
    if broker.problem:
        return Result([(f"NATS {broker.problem}", next_)], "")
    here = {one.name for one in broker.streams}
    wanted = {EDGE, *(stream_name(one.service) for one in facts.of("crm_relay_leader"))}
    wrong = [(f"stream {name} is missing", next_) for name in sorted(wanted - here)]
    wrong += [
        (f"stream {one.name} is {one.bytes / one.bytes_max:.0%} full", runbook("EventsUnpublished"))
        for one in broker.streams
        if one.name != EDGE and one.bytes > one.bytes_max * STREAM_SHARE_MAX > 0
    ]
    return Result(wrong, f"NATS answers, {len(here)} streams")


def _leaders(facts: Facts) -> Result:
    leaders = facts.most("crm_relay_leader")
    without = [name for (name,), leads in leaders.items() if not leads]
    next_ = runbook("RelayWithoutLeader")
    wrong = [(f"nobody publishes for {', '.join(without)}", next_)] if without else []
    return Result(wrong, f"{len(leaders)} of {len(leaders)} services have one" if leaders else "")


def _unpublished(facts: Facts) -> Result:
    ages = facts.most("crm_relay_unpublished_age_seconds")
    wrong = [
        (f"a change in {name} waits for {age:.0f} s", runbook("EventsUnpublished"))
        for (name,), age in ages.items()
        if age > UNPUBLISHED_S_MAX
    ]
    oldest = max(ages.values(), default=0.0)
    return Result(wrong, f"the oldest waits for {oldest:.0f} s" if ages else "")


def _consumers(facts: Facts) -> Result:
    """By what the broker says, if it can be asked; else by what the processes were told last."""
    told = facts.most("crm_consumer_pending")
    pending = {(name, producer): number for (_, name, producer), number in told.items()}
    wrong = []
    if facts.broker is not None and not facts.broker.problem:
        real = {(one.name, one.stream): one.pending for one in facts.broker.durables}
        missing = [one for one in pending if (one[0], stream_name(one[1])) not in real]
        wrong = [
            (f"{name} is not declared on {stream_name(producer)}", runbook("ConsumerFallingBehind"))
            for name, producer in missing
        ]
        pending = {one: real[one[0], stream_name(one[1])] for one in pending if one not in missing}
    wrong += [
        (f"{name} is {number:.0f} events of {of} behind", runbook("ConsumerFallingBehind"))
        for (name, of), number in pending.items()
        if number > PENDING_MAX
    ]
    most = max(pending.values(), default=0)
    well = f"{len(pending)} at work, at most {most:.0f} events behind" if told else ""
    return Result([*wrong, *_late(facts)], well)


def _late(facts: Facts) -> list[tuple[str, str]]:
    """Consumers that apply events long after the change; the delay stands while none comes."""
    applied = facts.rise("crm_consumer_applied_total")
    return [
        (f"{key[1]} applies events {delay:.0f} s after the change", runbook("ConsumerLate"))
        for key, delay in facts.most("crm_consumer_delay_seconds").items()
        if delay > DELAY_S_MAX and applied.get(key)
    ]


def _parked(facts: Facts) -> Result:
    wrong = [
        (
            f"{number:.0f} of {consumer} in {service}",
            f"{_shows_parked(facts, service)}; {runbook('MessagesParked')}",
        )
        for (service, consumer), number in facts.most("crm_parked_messages").items()
        if number
    ]
    return Result(wrong, "none" if facts.samples else "")


def _shows_parked(facts: Facts, service: str) -> str:
    if facts.local:
        return f"crm events parked {service}"
    return inside(service, f"python -m services.{service} parked")


EVENT_CHECKS: Final[Mapping[str, Check]] = {
    "broker": _broker,
    "relay leaders": _leaders,
    "unpublished": _unpublished,
    "consumers": _consumers,
    "parked": _parked,
}
