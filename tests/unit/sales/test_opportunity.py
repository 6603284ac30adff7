"""Opportunities as a state machine: single decisions."""

from collections.abc import Callable
from datetime import date
from decimal import Decimal

import pytest

from chassis.errors import CrmError, InvalidArgument
from services.sales.domain import opportunity as domain
from services.sales.domain.opportunity import LOST, OPEN, WON, Loss, Opportunity, Stage

DAY = date(2026, 3, 1)
FIRST = Stage("first", "p", 10, OPEN, in_default=True)
SECOND = Stage("second", "p", 20, OPEN, in_default=True)
WIN = Stage("win", "p", 30, WON, in_default=True)
LOSS = Stage("loss", "p", 40, LOST, in_default=True)
OTHER = Stage("other", "q", 10, OPEN)
STAGES = [OTHER, LOSS, SECOND, WIN, FIRST]
WORKED_ON = Opportunity("o", "p", "first", OPEN)
WON_ONE = Opportunity("o", "p", "win", WON, DAY)
LOST_ONE = Opportunity("o", "p", "loss", LOST, DAY, "price")


def test_win_closes_in_the_won_stage_with_the_real_amount() -> None:
    won = domain.win(WORKED_ON, STAGES, DAY, (Decimal(12), "CNY"))
    assert won.event == "won"
    assert won.values == {
        "stage_id": "win",
        "state": WON,
        "close_date": DAY,
        "lost_reason": None,
        "lost_reason_id": None,
        "amount": Decimal(12),
        "amount_currency": "CNY",
    }


def test_win_without_amount_leaves_the_expected_one() -> None:
    assert "amount" not in domain.win(WORKED_ON, STAGES, DAY).values


def test_lose_keeps_the_reason() -> None:
    lost = domain.lose(WORKED_ON, STAGES, DAY, Loss(" too expensive "))
    assert (lost.event, lost.values["state"], lost.values["lost_reason"]) == (
        "lost",
        LOST,
        "too expensive",
    )


def test_lose_needs_a_reason() -> None:
    with pytest.raises(InvalidArgument):
        domain.lose(WORKED_ON, STAGES, DAY, Loss(" ", ""))


def test_a_choice_of_the_list_is_reason_enough() -> None:
    values = domain.lose(WORKED_ON, STAGES, DAY, Loss(" ", "choice")).values
    assert (values["lost_reason"], values["lost_reason_id"]) == (None, "choice")


def test_move_goes_to_an_open_stage() -> None:
    moved = domain.move(WORKED_ON, STAGES, "second")
    assert (moved.event, moved.values) == ("moved", {"stage_id": "second"})


@pytest.mark.parametrize(
    ("stage_id", "reason"),
    [("win", "STAGE_NOT_OPEN"), ("loss", "STAGE_NOT_OPEN"), ("other", "STAGE_NOT_IN_PIPELINE")],
)
def test_move_and_reopen_refuse_other_stages(stage_id: str, reason: str) -> None:
    decisions: list[Callable[[], domain.Transition]] = [
        lambda: domain.move(WORKED_ON, STAGES, stage_id),
        lambda: domain.reopen(WON_ONE, STAGES, stage_id),
    ]
    for decide in decisions:
        with pytest.raises(CrmError) as caught:
            decide()
        assert caught.value.reason == reason
        assert caught.value.metadata["stage_id"] == stage_id


@pytest.mark.parametrize("closed", [WON_ONE, LOST_ONE])
def test_closed_ones_cannot_be_closed_or_moved(closed: Opportunity) -> None:
    decisions: list[Callable[[], domain.Transition]] = [
        lambda: domain.win(closed, STAGES, DAY),
        lambda: domain.lose(closed, STAGES, DAY, Loss("price")),
        lambda: domain.move(closed, STAGES, "first"),
    ]
    for decide in decisions:
        with pytest.raises(domain.OpportunityNotOpen) as caught:
            decide()
        assert caught.value.metadata == {"id": "o", "state": closed.state}


@pytest.mark.parametrize("closed", [WON_ONE, LOST_ONE])
def test_reopen_clears_what_closing_set(closed: Opportunity) -> None:
    expected = {"state": OPEN, "close_date": None, "lost_reason": None, "lost_reason_id": None}
    assert domain.reopen(closed, STAGES).values == {"stage_id": "first", **expected}
    assert domain.reopen(closed, STAGES, "second").values == {"stage_id": "second", **expected}


def test_reopen_refuses_open_ones() -> None:
    with pytest.raises(domain.OpportunityNotClosed):
        domain.reopen(WORKED_ON, STAGES)


def test_a_pipeline_without_the_stage_is_named() -> None:
    with pytest.raises(domain.PipelineStageMissing) as caught:
        domain.win(Opportunity("o", "q", "other", OPEN), STAGES, DAY)
    assert caught.value.metadata == {"pipeline_id": "q", "outcome": WON}


@pytest.mark.parametrize(
    ("pipeline_id", "stage_id", "expected"),
    [("", "", FIRST), ("q", "", OTHER), ("", "other", OTHER), ("p", "second", SECOND)],
)
def test_entry_follows_from_what_is_named(pipeline_id: str, stage_id: str, expected: Stage) -> None:
    assert domain.entry(STAGES, pipeline_id, stage_id) == expected


def test_entry_refuses_contradictions_and_nothing() -> None:
    with pytest.raises(domain.StageNotInPipeline):
        domain.entry(STAGES, "q", "first")
    with pytest.raises(domain.StageNotInPipeline):
        domain.entry(STAGES, "", "nowhere")
    with pytest.raises(domain.PipelineMissing):
        domain.entry([OTHER], "", "")


def test_a_person_enters_open_stages_only() -> None:
    expected = {"pipeline_id": "p", "stage_id": "first", "state": OPEN}
    assert domain.enter(FIRST) == expected
    with pytest.raises(domain.StageNotOpen) as caught:
        domain.enter(WIN)
    assert caught.value.metadata["method"] == ":win"


def test_restore_takes_history_as_it_was() -> None:
    assert domain.restore(WIN, DAY, Loss())["state"] == WON
    assert domain.restore(LOSS, DAY, Loss("price"))["lost_reason"] == "price"
    assert domain.restore(FIRST, None, Loss())["state"] == OPEN


@pytest.mark.parametrize(
    ("stage", "day", "loss", "fields"),
    [
        (FIRST, DAY, Loss(), ["close_date"]),
        (WIN, DAY, Loss("price"), ["lost_reason"]),
        (WIN, DAY, Loss(None, "choice"), ["lost_reason_id"]),
        (FIRST, DAY, Loss("price"), ["close_date", "lost_reason"]),
    ],
)
def test_restore_refuses_contradictions(
    stage: Stage, day: date | None, loss: Loss, fields: list[str]
) -> None:
    with pytest.raises(InvalidArgument) as caught:
        domain.restore(stage, day, loss)
    assert [field for field, _ in caught.value.fields] == fields


@pytest.mark.parametrize(
    ("customer", "product", "name"),
    [
        ("Acme", "GTX", "Acme - GTX"),
        ("Acme", "", "Acme"),
        ("", "GTX", "GTX"),
        ("", "", "Opportunity"),
        ("a" * 300, "b", "a" * 200),
    ],
)
def test_names_are_made_of_customer_and_product(customer: str, product: str, name: str) -> None:
    assert domain.name_of(customer, product) == name
