"""Refused sign-ins are recorded until there are too many."""

from services.identity.domain import refusal_budget
from services.identity.domain.refusal_budget import AT_ONCE_MAX, PER_MINUTE, RefusalBudget


def test_slips_are_all_recorded_and_a_flood_is_counted() -> None:
    budget = RefusalBudget()
    assert [budget.take("a", 0.0) for _ in range(AT_ONCE_MAX)] == [0] * AT_ONCE_MAX
    assert [budget.take("a", 1.0) for _ in range(500)] == [None] * 500
    assert budget.take("b", 1.0) == 0, "another tenant's is another"
    assert budget.take("a", 60 / PER_MINUTE) == 500, "how many were left out is told"


def test_a_day_of_flood_leaves_a_bounded_number() -> None:
    budget = RefusalBudget()
    taken = [budget.take("a", float(second)) for second in range(86_400)]
    assert sum(one is not None for one in taken) <= AT_ONCE_MAX + PER_MINUTE * 1440


def test_tenants_remembered_are_bounded() -> None:
    budget = RefusalBudget()
    for number in range(refusal_budget.TENANTS_MAX + 5):
        budget.take(str(number), 0.0)
    assert len(budget._buckets) == 5
