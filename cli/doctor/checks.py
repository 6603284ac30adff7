"""Checks of processes, databases and what they stand on."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Final

from cli.doctor.facts import Facts, Probe
from cli.doctor.findings import Check, Result, runbook

# What a single look can tell.
POOL_SHARE_MAX: Final = 0.99
FAILURES_MIN: Final = 3
OPERATIONS_WAITING_MAX: Final = 10
DISK_FREE_MIN: Final = 0.1
CLOCK_OFF_S_MAX: Final = 2.0
BACKUP_AGE_MAX: Final = timedelta(hours=26)


def _probes(probes: Sequence[Probe], next_: str) -> Result:
    wrong = [(f"{one.name} {one.problem}", next_) for one in probes if one.problem]
    return Result(wrong, f"{len(probes)} of {len(probes)}" if probes else "")


def _gateway(facts: Facts) -> Result:
    probes = [facts.gateway] if facts.gateway else []
    found = _probes(probes, runbook("ServiceDown"))
    return Result(found.problems, f"{probes[0].name} is ready" if probes else "")


def _processes(facts: Facts) -> Result:
    return _probes(facts.processes, runbook("ProcessDown"))


def _health(facts: Facts) -> Result:
    return _probes(facts.health, runbook("ServiceDown"))


def _schemas(facts: Facts) -> Result:
    probes = [one.probe for one in facts.schemas.values()]
    found = _probes(probes, runbook("ErrorBudgetBurning"))
    old = [
        (
            f"{name} is at revision {one.found}, this version needs {one.head}",
            f"python -m services.{name} migrate (locally: make up)",
        )
        for name, one in facts.schemas.items()
        if one.found and one.found < one.head
    ]
    return Result([*found.problems, *old], f"{found.well} at the newest revision" if probes else "")


def _pools(facts: Facts) -> Result:
    sizes = facts.most("crm_pool_size")
    busy = facts.most("crm_pool_busy")
    shares = {key: busy.get(key, 0.0) / size for key, size in sizes.items() if size}
    refused = facts.rise("crm_pool_refused_total")
    wrong = [
        (f"all connections of {service} ({role}) are taken", runbook("DatabasePoolExhausted"))
        for (service, role), share in shares.items()
        if share > POOL_SHARE_MAX or refused.get((service, role))
    ]
    most = max(shares.values(), default=0.0)
    return Result(wrong, f"{len(shares)}, the fullest at {most:.0%}" if shares else "")


def _work(facts: Facts) -> Result:
    failures = facts.most("crm_job_failures_total")
    failing: dict[str, list[str]] = {}
    for key, risen in facts.rise("crm_job_failures_total").items():
        if risen and failures.get(key, 0) >= FAILURES_MIN:
            failing.setdefault(key[1], []).append(key[0])
    wrong = [
        (f'"{work}" fails again and again in {", ".join(services)}', runbook("WorkFailing"))
        for work, services in failing.items()
    ]
    return Result(wrong, "nothing fails" if facts.samples else "")


def _operations(facts: Facts) -> Result:
    waiting = facts.most("crm_operations_waiting")
    wrong = [
        (f"{number:.0f} wait for a worker of {service}", runbook("OperationsWaiting"))
        for (service,), number in waiting.items()
        if number > OPERATIONS_WAITING_MAX
    ]
    running = sum(one.value for one in facts.of("crm_operations_running"))
    text = f"{running:.0f} running, {sum(waiting.values()):.0f} waiting"
    return Result(wrong, text if waiting else "")


def _disks(facts: Facts) -> Result:
    wrong = [
        (
            f"{_size(one.free)} of {_size(one.total)} free at {one.folder}",
            "make room, or a new disk",
        )
        for one in facts.disks
        if one.free < one.total * DISK_FREE_MIN
    ]
    least = min((one.free for one in facts.disks), default=0)
    return Result(wrong, f"at least {_size(least)} free" if facts.disks else "")


def _clocks(facts: Facts) -> Result:
    probes = [*facts.processes, *(one.probe for one in facts.schemas.values())]
    probes += [facts.gateway] if facts.gateway else []
    off = {one.name: one.clock_off_s for one in probes if one.clock_off_s is not None}
    wrong = [
        (f"{name} is {seconds:+.0f} s off", "set the clocks of the machines (NTP)")
        for name, seconds in off.items()
        if abs(seconds) > CLOCK_OFF_S_MAX
    ]
    return Result(wrong, f"{len(off)} of {len(off)} within {CLOCK_OFF_S_MAX:.0f} s" if off else "")


def _backups(facts: Facts) -> Result:
    backups, next_ = facts.backups, "crm backup create --verify; see docs/operations/backup.md"
    if backups is None:
        return Result((), "")
    if backups.problem:
        return Result([(f"the newest is damaged: {backups.problem}", next_)], "")
    if backups.newest is None:
        return Result([(f"{backups.folder} has none", next_)], "")
    age = facts.now - backups.newest
    wrong = [(f"the newest is {_hours(age)} old", next_)] if age > BACKUP_AGE_MAX else []
    return Result(wrong, f"the newest is {_hours(age)} old")


def _size(count: int) -> str:
    return f"{count / 1024**3:.1f} GiB"


def _hours(age: timedelta) -> str:
    return f"{age.total_seconds() / 3600:.1f} h"


PROCESS_CHECKS: Final[Mapping[str, Check]] = {
    "gateway": _gateway,
    "processes": _processes,
    "health": _health,
    "databases": _schemas,
}
RESOURCE_CHECKS: Final[Mapping[str, Check]] = {
    "pools": _pools,
    "background work": _work,
    "operations": _operations,
    "disks": _disks,
    "clocks": _clocks,
    "backups": _backups,
}
