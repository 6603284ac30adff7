"""What the doctor makes of what he has seen."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cli.doctor.command import CHECKS
from cli.doctor.facts import (
    Backups,
    Broker,
    Disk,
    Durable,
    Facts,
    Probe,
    Sample,
    Schema,
    Stream,
)
from cli.doctor.findings import Finding, State, judge
from cli.doctor.places import places
from cli.errors import CliError

NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
NOTHING = Facts(NOW, None, [], [], [], [], None, {}, [], None)


def sample(name: str, value: float, address: str = "a:1", **labels: str) -> Sample:
    """What one process of sales tells."""
    return Sample("sales", address, name, labels, value)


SAMPLES = [
    sample("crm_relay_leader", 0),
    sample("crm_relay_leader", 1, "b:1"),
    sample("crm_relay_unpublished_age_seconds", 2),
    sample("crm_consumer_pending", 5, consumer="sales-customers", producer="customer"),
    sample("crm_consumer_delay_seconds", 90, consumer="sales-customers"),
    sample("crm_consumer_applied_total", 9, consumer="sales-customers"),
    sample("crm_pool_size", 8, role="runtime"),
    sample("crm_pool_busy", 2, role="runtime"),
    sample("crm_pool_refused_total", 3, role="runtime"),
    sample("crm_operations_waiting", 1),
    sample("crm_operations_running", 2),
]
WELL = Facts(
    now=NOW,
    gateway=Probe("http://gateway", "", 0.0),
    processes=[Probe("sales (a:1)", "", 0.4), Probe("sales (b:1)", "", -0.4)],
    before=SAMPLES,
    samples=SAMPLES,
    health=[Probe("sales (a:2)")],
    broker=Broker(
        "",
        [Stream("EDGE", 99, 100), Stream("CRM_SALES", 10, 100)],
        [Durable("CRM_CUSTOMER", "sales-customers", 7)],
    ),
    schemas={"sales": Schema(Probe("database of sales", "", 0.1), "0002", "0002")},
    disks=[Disk(Path("data"), 50, 100)],
    backups=Backups(Path("backups"), NOW - timedelta(hours=3)),
)


def wrong(facts: Facts) -> list[Finding]:
    return [one for one in judge(CHECKS, facts) if one.state is State.WRONG]


def test_all_is_well() -> None:
    found = {one.check: one.text for one in judge(CHECKS, WELL)}
    assert not wrong(WELL)
    assert found["consumers"] == "1 at work, at most 7 events behind"
    assert found["backups"] == "the newest is 3.0 h old"
    assert found["pools"] == "1, the fullest at 25%"


def test_what_cannot_be_looked_at_is_not_wrong() -> None:
    assert {one.state for one in judge(CHECKS, NOTHING)} == {State.UNKNOWN}


@pytest.mark.parametrize(
    ("told", "text", "next_"),
    [
        (sample("crm_relay_unpublished_age_seconds", 31, "b:1"), "waits for 31 s", "EventsUnpub"),
        (sample("crm_parked_messages", 2, consumer="sales-x"), "2 of sales-x in", "events parked"),
        (sample("crm_pool_busy", 8, "b:1", role="runtime"), "(runtime) are taken", "PoolExhausted"),
        (sample("crm_pool_refused_total", 1, "b:1", role="runtime"), "are taken", "PoolExhausted"),
        (sample("crm_operations_waiting", 11), "11 wait for a worker", "OperationsWaiting"),
        (sample("crm_job_failures_total", 3, work="relay"), '"relay" fails', "WorkFailing"),
        (sample("crm_consumer_applied_total", 1, consumer="sales-customers"), "90 s", "Late"),
        (sample("crm_consumer_pending", 1, consumer="x", producer="sales"), "declared", "Behind"),
    ],
)
def test_metrics_that_are_wrong(told: Sample, text: str, next_: str) -> None:
    (found,) = wrong(replace(WELL, samples=[*SAMPLES, told]))
    assert text in found.text
    assert next_ in found.next


def test_work_that_failed_before_is_forgiven() -> None:
    failed = sample("crm_job_failures_total", 50, work="relay")
    assert not wrong(replace(WELL, before=[*SAMPLES, failed], samples=[*SAMPLES, failed]))
    once = sample("crm_job_failures_total", 1, work="relay")
    assert not wrong(replace(WELL, samples=[*SAMPLES, once]))


@pytest.mark.parametrize(
    ("facts", "text"),
    [
        (replace(WELL, gateway=Probe("http://g", "is not ready (503)")), "is not ready (503)"),
        (replace(WELL, processes=[Probe("sales (a:1)", "does not answer")]), "does not answer"),
        (replace(WELL, health=[Probe("sales (a:2)", "answers no calls")]), "answers no calls"),
        (replace(WELL, broker=Broker("does not answer")), "NATS does not answer"),
        (
            replace(WELL, schemas={"sales": Schema(Probe("sales"), "0001", "0002")}),
            "sales is at revision 0001, this version needs 0002",
        ),
        (replace(WELL, disks=[Disk(Path("data"), 9, 100)]), "free at data"),
        (replace(WELL, processes=[Probe("sales (a:1)", "", -3.0)]), "sales (a:1) is -3 s off"),
        (replace(WELL, backups=Backups(Path(), None)), "has none"),
        (replace(WELL, backups=Backups(Path("backups"), NOW, "a part is cut")), "a part is cut"),
        (
            replace(WELL, backups=Backups(Path("backups"), NOW - timedelta(hours=27))),
            "the newest is 27.0 h old",
        ),
    ],
)
def test_other_things_that_are_wrong(facts: Facts, text: str) -> None:
    (found,) = wrong(facts)
    assert text in found.text
    assert found.next


def test_streams_that_are_missing_or_nearly_full() -> None:
    assert WELL.broker is not None
    streams = [Stream("CRM_SALES", 95, 100)]
    found = wrong(replace(WELL, broker=replace(WELL.broker, streams=streams)))
    assert [one.text for one in found] == ["stream EDGE is missing", "stream CRM_SALES is 95% full"]


def told_backup(hours: float) -> Facts:
    """What the process tells that looks after backups."""
    at = 0.0 if hours < 0 else (NOW - timedelta(hours=hours)).timestamp()
    samples = [*SAMPLES, sample("crm_backup_good_timestamp_seconds", at)]
    return replace(WELL, samples=samples, backups=None, local=False)


def test_backups_are_judged_by_what_is_told_of_them() -> None:
    found = {one.check: one.text for one in judge(CHECKS, told_backup(3))}
    assert found["backups"] == "the newest is 3.0 h old"
    for hours, text in ((27, "the newest is 27.0 h old"), (-1, "there is no good one")):
        (one,) = wrong(told_backup(hours))
        assert one.text == text
        assert "kubectl -n crm create job" in one.next


def test_a_platform_that_never_made_a_backup_is_told_how(tmp_path: Path) -> None:
    facts = replace(WELL, backups=Backups(tmp_path / "backups", None))
    (one,) = [each for each in judge(CHECKS, facts) if each.state is State.UNKNOWN]
    assert one.text.endswith("none was ever made; crm backup create --verify makes one")


def test_hints_have_the_form_of_the_cluster_there() -> None:
    parked = sample("crm_parked_messages", 2, consumer="sales-x")
    old = {"sales": Schema(Probe("sales"), "0001", "0002")}
    found = wrong(replace(WELL, samples=[*SAMPLES, parked], schemas=old, local=False))
    by_check = {one.check: one.next for one in found}
    assert by_check["parked"].startswith("kubectl -n crm exec deploy/sales -- python -m services")
    assert "sales-migrate" in by_check["databases"]


def test_databases_are_seen_through_their_services() -> None:
    def asked(seconds: float) -> Facts:
        at = NOW.timestamp() - seconds
        done = sample("crm_job_done_timestamp_seconds", at, work="backlog")
        every = sample("crm_job_interval_seconds", 10, work="backlog")
        return replace(WELL, schemas={}, samples=[*SAMPLES, done, every])

    found = {one.check: one.text for one in judge(CHECKS, asked(5))}
    assert found["databases"] == "1 of 1 answer their services"
    (one,) = wrong(asked(90))
    assert one.text == "sales has not reached its database for 90 s"


def test_a_job_that_is_not_done_and_a_certificate_that_ends() -> None:
    at = NOW.timestamp()
    told = [
        sample("crm_job_done_timestamp_seconds", at - 15_000, work="sales purge"),
        sample("crm_job_interval_seconds", 3600, work="sales purge"),
        sample("crm_tls_expiry_timestamp_seconds", at + 20 * 86400, of="nats"),
        sample("crm_tls_expiry_timestamp_seconds", at + 50 * 86400, of="own"),
    ]
    texts = [one.text for one in wrong(replace(WELL, samples=[*SAMPLES, *told]))]
    assert texts == ['"sales purge" of sales was done 4.2 h ago', '"nats" of sales ends in 20 days']


def test_disks_are_told_where_they_cannot_be_looked_at() -> None:
    told = [
        sample("crm_disk_free_bytes", 5, folder="/var/lib/crm/blobs"),
        sample("crm_disk_size_bytes", 100, folder="/var/lib/crm/blobs"),
    ]
    (one,) = wrong(replace(WELL, disks=[], samples=[*SAMPLES, *told]))
    assert "free at /var/lib/crm/blobs" in one.text


def test_a_schema_of_a_later_version_will_do() -> None:
    later = {"sales": Schema(Probe("database of sales"), "0003", "0002")}
    assert not wrong(replace(WELL, schemas=later))


def test_services_without_a_leader_share_a_line() -> None:
    samples = [sample("crm_relay_leader", 0), sample("crm_relay_leader", 0, "b:1")]
    samples.append(Sample("customer", "c:1", "crm_relay_leader", {}, 0))
    facts = replace(WELL, samples=samples, broker=None)
    assert [one.text for one in wrong(facts)] == ["nobody publishes for sales, customer"]


def test_places_are_told_by_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CRM_METRICS", "sales=s:9,gateway=g:9")
    monkeypatch.setenv("SALES_DATABASE_URL", "postgresql://x@y/z")
    monkeypatch.setenv("BACKUP_DIR", str(tmp_path))
    monkeypatch.setenv("TLS_DIR", "/etc/crm/tls")
    monkeypatch.setenv("RUN_DIR", str(tmp_path))
    found = places("http://g", (), ("sales=s:8",))
    assert found.metrics == {"sales": "s:9", "gateway": "g:9"}
    assert found.health == {"sales": "s:8"}
    assert found.databases == {"sales": "postgresql://x@y/z"}
    assert found.folders == [tmp_path]
    assert found.backups == tmp_path
    assert found.tls_dir == "/etc/crm/tls"
    assert not found.local
    with pytest.raises(CliError, match="is not <service>"):
        places("", ("sales",), ())
    monkeypatch.delenv("CRM_METRICS")
    with pytest.raises(CliError, match="no local platform"):
        places("", (), ())
