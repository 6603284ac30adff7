"""Every query of the dashboards and every alert finds data in a real Prometheus that reads a real
platform; promtool has no complaint.
"""

import subprocess
import time

import pytest

from deploy.observability.programs import program
from tests.live import Tenant, eventually
from tests.observability import FOLDER, may_be_empty, queries
from tests.observe.prometheus import Prometheus

# Rates want two readings of a series that the load has begun, budgets are reckoned every minute.
WITHIN_S = 100.0


def promtool(*arguments: str) -> None:
    done = subprocess.run(
        [program("promtool"), *arguments], cwd=FOLDER, capture_output=True, text=True, check=False,
        timeout=100,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_promtool_likes_configuration_and_rules() -> None:
    promtool("check", "config", "--lint-fatal", "prometheus.yml")


def test_alerts_fire_when_they_should() -> None:
    promtool("test", "rules", "alerts_test.yaml")


@pytest.mark.timeout(400)
def test_every_query_finds_data(prometheus: Prometheus, busy: Tenant, figures: list[str]) -> None:
    assert busy.get("customers").is_success
    wanted = sorted({query for query in queries() if not may_be_empty(query)})
    deadline = time.monotonic() + WITHIN_S
    empty = wanted
    while empty and time.monotonic() < deadline:
        time.sleep(1.0)
        empty = [query for query in empty if not prometheus.count(query)]
    assert not empty, "\n".join(empty)
    excused = {query for query in queries() if may_be_empty(query)}
    for query in excused:  # understood all the same
        prometheus.count(query)
    figures.append(f"{len(wanted)} queries find data, {len(excused)} are rightly empty")


def test_rules_are_evaluated_and_only_what_is_wrong_is_alerted(
    prometheus: Prometheus, busy: Tenant
) -> None:
    assert busy.id
    eventually(lambda: all(rule.health == "ok" for rule in prometheus.rules()), WITHIN_S, 1.0)
    firing = {rule.name for rule in prometheus.rules() if rule.state == "firing"}
    assert firing == {"MessagesParked"}
