"""Checks of processes, databases and what they stand on."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cli.doctor.facts import Disk, Facts, Probe
from cli.doctor.findings import Check, Result, runbook

# What a single look can tell.
POOL_SHARE_MAX: Final = 0.99
FAILURES_MIN: Final = 3
OPERATIONS_WAITING_MAX: Final = 10
DISK_FREE_MIN: Final = 0.1
CLOCK_OFF_S_MAX: Final = 2.0
BACKUP_AGE_MAX: Final = timedelta(hours=26)
CERTIFICATE_LEFT_MIN: Final = timedelta(days=21)
JOB_LATE_S: Final = 600
JOB_TURNS_MAX: Final = 3
# Services ask their databases for backlogs every ten seconds.
DATABASE_WORK: Final = "backlog"
DATABASE_SILENT_S_MAX: Final = 60


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


def _databases(facts: Facts) -> Result:
    return _schemas(facts) if facts.schemas else _asked_by_services(facts)


def _asked_by_services(facts: Facts) -> Result:
    """Where databases cannot be asked: services tell when they could, and start at their head."""
    ages = {key[0]: age for key, age in _since_done(facts).items() if key[1] == DATABASE_WORK}
    wrong = [
        (f"{service} has not reached its database for {age:.0f} s", runbook("ErrorBudgetBurning"))
        for service, age in ages.items()
        if age > DATABASE_SILENT_S_MAX
    ]
    return Result(wrong, f"{len(ages)} of {len(ages)} answer their services" if ages else "")


def _since_done(facts: Facts) -> dict[tuple[str, ...], float]:
    """Seconds since a job was done by any process, by service and job."""
    now = facts.now.timestamp()
    done = facts.most("crm_job_done_timestamp_seconds")
    return {key: max(0.0, now - at) for key, at in done.items()}


def _schemas(facts: Facts) -> Result:
    probes = [one.probe for one in facts.schemas.values()]
    found = _probes(probes, runbook("ErrorBudgetBurning"))
    old = [
        (
            f"{name} is at revision {one.found}, this version needs {one.head}",
            "make up" if facts.local else f"the job {name}-migrate of this release says why",
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
    every = facts.most("crm_job_interval_seconds")
    wrong += [
        (f'"{work}" of {service} was done {age / 3600:.1f} h ago', runbook("JobOverdue"))
        for (service, work), age in _since_done(facts).items()
        if age > JOB_LATE_S + JOB_TURNS_MAX * every.get((service, work), 0.0)
    ]
    return Result(wrong, "nothing fails or is late" if facts.samples else "")


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
    size = facts.most("crm_disk_size_bytes")
    told = [
        Disk(Path(folder), int(free), int(size[service, folder]))
        for (service, folder), free in facts.most("crm_disk_free_bytes").items()
    ]
    disks = facts.disks or told
    wrong = [
        (
            f"{_size(one.free)} of {_size(one.total)} free at {one.folder}",
            "make room, or a new disk",
        )
        for one in disks
        if one.free < one.total * DISK_FREE_MIN
    ]
    least = min((one.free for one in disks), default=0)
    return Result(wrong, f"at least {_size(least)} free" if disks else "")


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
    backups, next_ = facts.backups, f"{_makes_backup(facts)}; {runbook('BackupTooOld')}"
    if backups is None:
        return _told_backups(facts, next_)
    if backups.problem:
        return Result([(f"the newest is damaged: {backups.problem}", next_)], "")
    if backups.newest is None and facts.local and not backups.folder.is_dir():
        return Result((), "", f"none was ever made; {_makes_backup(facts)} makes one")
    if backups.newest is None:
        return Result([(f"{backups.folder} has none", next_)], "")
    return _aged(facts.now - backups.newest, next_)


def _told_backups(facts: Facts, next_: str) -> Result:
    """By what the process says that looks after backups."""
    moments = [one.value for one in facts.of("crm_backup_good_timestamp_seconds")]
    if not moments:
        return Result((), "")
    if not max(moments):
        return Result([("there is no good one", next_)], "")
    return _aged(facts.now - datetime.fromtimestamp(max(moments), UTC), next_)


def _aged(age: timedelta, next_: str) -> Result:
    text = f"the newest is {_hours(age)} old"
    return Result([(text, next_)] if age > BACKUP_AGE_MAX else [], text)


def _makes_backup(facts: Facts) -> str:
    if facts.local:
        return "crm backup create --verify"
    return "kubectl -n crm create job backup-now --from=cronjob/backup"


def _certificates(facts: Facts) -> Result:
    left = {
        (one.service, one.labels["of"]): timedelta(seconds=one.value - facts.now.timestamp())
        for one in sorted(facts.of("crm_tls_expiry_timestamp_seconds"), key=lambda one: -one.value)
    }
    wrong = [
        (f'"{of}" of {service} ends in {time.days} days', runbook("CertificateEnding"))
        for (service, of), time in left.items()
        if time < CERTIFICATE_LEFT_MIN
    ]
    if not left:
        return Result((), "none: connections are in clear" if facts.samples else "")
    return Result(wrong, f"the first ends in {min(left.values()).days} days")


def _size(count: int) -> str:
    return f"{count / 1024**3:.1f} GiB"


def _hours(age: timedelta) -> str:
    return f"{age.total_seconds() / 3600:.1f} h"


PROCESS_CHECKS: Final[Mapping[str, Check]] = {
    "gateway": _gateway,
    "processes": _processes,
    "health": _health,
    "databases": _databases,
}
RESOURCE_CHECKS: Final[Mapping[str, Check]] = {
    "pools": _pools,
    "background work": _work,
    "operations": _operations,
    "disks": _disks,
    "clocks": _clocks,
    "certificates": _certificates,
    "backups": _backups,
}
