"""Made-up filters over HTTP, with PostgreSQL behind them: an answer or a 400, never a 5xx."""

import os
from concurrent.futures import ThreadPoolExecutor
from random import Random
from typing import Final

import pytest

from chassis.resource.plan import make_plan
from tests.contract.resources import all_resources
from tests.contract.rules import PROBLEM_KEYS
from tests.filters import some_filter
from tests.live import Tenant, as_dict

FILTERS: Final = int(os.environ.get("FUZZED_FILTERS_OVER_HTTP", "1000"))
AT_ONCE: Final = 4


@pytest.mark.timeout(1800)
def test_any_filter_is_answered_or_refused(tenant: Tenant, figures: list[str]) -> None:
    random = Random(99)
    resources = [(one.path, make_plan(one.declared).filters) for one in all_resources()]
    made = [
        (path, some_filter(random, fields)) for path, fields in random.choices(resources, k=FILTERS)
    ]
    asked = [(path, text) for path, text in made if "\ud800" not in text]  # not sendable as UTF-8

    def ask(one: tuple[str, str]) -> int:
        response = tenant.get(one[0], filter=one[1], page_size=1)
        assert response.status_code in {200, 400}, (one, response.text)
        if response.status_code == 400:
            problem = as_dict(response)
            assert set(problem) == PROBLEM_KEYS
            assert problem["reason"] in {"FILTER_INVALID", "INVALID_FIELDS"}, problem
        return response.status_code

    with ThreadPoolExecutor(AT_ONCE) as pool:
        statuses = list(pool.map(ask, asked))
    assert 200 in statuses
    figures.append(f"{len(asked):,} made-up filters over HTTP, {statuses.count(200):,} answered")
