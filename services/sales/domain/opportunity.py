"""Opportunities as a state machine: the state follows from the stage, closing is a decision.

Open has no close date, and only lost has a reason.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from chassis.errors import FailedPrecondition, InvalidArgument

OPEN, WON, LOST = "OPEN", "WON", "LOST"
NAME_LENGTH_MAX = 200

Values = Mapping[str, object]


class OpportunityNotOpen(FailedPrecondition):
    """Only open opportunities can be won, lost or moved."""

    def __init__(self, opportunity: "Opportunity") -> None:
        super().__init__(
            "OPPORTUNITY_NOT_OPEN",
            f"The opportunity {opportunity.id} is {opportunity.state}; reopen it first.",
            metadata={"id": opportunity.id, "state": opportunity.state},
        )


class OpportunityNotClosed(FailedPrecondition):
    """Only won and lost opportunities can be reopened."""

    def __init__(self, opportunity: "Opportunity") -> None:
        super().__init__(
            "OPPORTUNITY_NOT_CLOSED",
            f"The opportunity {opportunity.id} is open.",
            metadata={"id": opportunity.id},
        )


class StageNotOpen(FailedPrecondition):
    """A stage for won or lost is entered by a decision of its own."""

    def __init__(self, stage: "Stage") -> None:
        how = ":win" if stage.outcome == WON else ":lose"
        super().__init__(
            "STAGE_NOT_OPEN",
            f"The stage {stage.id} has the outcome {stage.outcome}; use {how} to get there.",
            metadata={"stage_id": stage.id, "outcome": stage.outcome, "method": how},
        )


class StageNotInPipeline(InvalidArgument):
    """The stage does not exist, or not in this pipeline."""

    def __init__(self, stage_id: str, pipeline_id: str) -> None:
        super().__init__(
            "STAGE_NOT_IN_PIPELINE",
            f"The pipeline {pipeline_id} has no stage {stage_id}.",
            metadata={"stage_id": stage_id, "pipeline_id": pipeline_id},
            fields=[("stage_id", "It is no stage of the pipeline.")],
        )


class PipelineStageMissing(FailedPrecondition):
    """The pipeline has no stage with the outcome that is needed."""

    def __init__(self, pipeline_id: str, outcome: str) -> None:
        super().__init__(
            "PIPELINE_STAGE_MISSING",
            f"The pipeline {pipeline_id} has no stage for {outcome.lower()} opportunities.",
            metadata={"pipeline_id": pipeline_id, "outcome": outcome},
        )


class PipelineMissing(FailedPrecondition):
    """There is nothing that a new opportunity could enter."""

    def __init__(self) -> None:
        super().__init__("PIPELINE_MISSING", "There is no default pipeline; create one first.")


@dataclass(frozen=True, slots=True)
class Stage:
    """A living stage as decisions see it."""

    id: str
    pipeline_id: str
    position: int
    outcome: str
    in_default: bool = False


@dataclass(frozen=True, slots=True)
class Opportunity:
    """What of an opportunity decides about its transitions."""

    id: str
    pipeline_id: str
    stage_id: str
    state: str
    close_date: date | None = None
    lost_reason: str | None = None
    lost_reason_id: str | None = None


@dataclass(frozen=True, slots=True)
class Loss:
    """Why it was lost: a choice of the pick-list, in words, or both."""

    reason: str | None = None
    reason_id: str | None = None


NO_LOSS = Loss()


@dataclass(frozen=True, slots=True)
class Transition:
    """The new values and the business event that tells of them."""

    event: str
    values: Values


def win(
    opportunity: Opportunity,
    stages: Iterable[Stage],
    close_date: date,
    amount: tuple[Decimal, str] | None = None,
) -> Transition:
    """Close as won; `amount` (number, currency) is the real one if not the expected."""
    _require_open(opportunity)
    values = _closed(stage_for(opportunity.pipeline_id, stages, WON), close_date, NO_LOSS)
    if amount is not None:
        values |= {"amount": amount[0], "amount_currency": amount[1]}
    return Transition("won", values)


def lose(
    opportunity: Opportunity, stages: Iterable[Stage], close_date: date, loss: Loss
) -> Transition:
    """Close as lost for a reason."""
    _require_open(opportunity)
    words = (loss.reason or "").strip() or None
    if not (words or loss.reason_id):
        raise InvalidArgument(
            "INVALID_FIELDS",
            "A loss needs a reason.",
            fields=[("reason", "This field is required.")],
        )
    stage = stage_for(opportunity.pipeline_id, stages, LOST)
    return Transition("lost", _closed(stage, close_date, Loss(words, loss.reason_id or None)))


def move(opportunity: Opportunity, stages: Iterable[Stage], stage_id: str) -> Transition:
    """Go on in another open stage of the same pipeline."""
    _require_open(opportunity)
    stage = stage_in(opportunity.pipeline_id, stages, stage_id)
    if stage.outcome != OPEN:
        raise StageNotOpen(stage)
    return Transition("moved", {"stage_id": stage.id})


def reopen(
    opportunity: Opportunity, stages: Sequence[Stage], stage_id: str | None = None
) -> Transition:
    """Go on with a closed one in an open stage, the first when none is named."""
    if opportunity.state == OPEN:
        raise OpportunityNotClosed(opportunity)
    if stage_id:
        stage = stage_in(opportunity.pipeline_id, stages, stage_id)
    else:
        stage = stage_for(opportunity.pipeline_id, stages, OPEN)
    if stage.outcome != OPEN:
        raise StageNotOpen(stage)
    return Transition("reopened", _closed(stage, None, NO_LOSS))


def entry(stages: Sequence[Stage], pipeline_id: str, stage_id: str) -> Stage:
    """The stage that a new one enters; what is "" follows from the other, or is the default."""
    if stage_id:
        found = next((stage for stage in stages if stage.id == stage_id), None)
        if found is None or pipeline_id not in {"", found.pipeline_id}:
            raise StageNotInPipeline(stage_id, pipeline_id or "of any kind")
        return found
    if pipeline_id:
        return stage_for(pipeline_id, stages, OPEN)
    default = next((stage.pipeline_id for stage in stages if stage.in_default), None)
    if default is None:
        raise PipelineMissing
    return stage_for(default, stages, OPEN)


def enter(stage: Stage) -> Values:
    """The values of a new opportunity that a person creates: in an open stage only."""
    if stage.outcome != OPEN:
        raise StageNotOpen(stage)
    return {"pipeline_id": stage.pipeline_id, "stage_id": stage.id, "state": OPEN}


def restore(stage: Stage, close_date: date | None, loss: Loss) -> Values:
    """The values of an opportunity as history had it, in any stage; contradictions are refused."""
    problems = []
    if stage.outcome == OPEN and close_date is not None:
        problems.append(("close_date", "An open opportunity has no close date."))
    told = {"lost_reason": loss.reason, "lost_reason_id": loss.reason_id}
    if stage.outcome != LOST:
        text = "Only a lost opportunity has a reason."
        problems += [(name, text) for name, value in told.items() if value is not None]
    if problems:
        raise InvalidArgument("INVALID_FIELDS", problems[0][1], fields=problems)
    return {"pipeline_id": stage.pipeline_id, **_closed(stage, close_date, loss)}


def stage_for(pipeline_id: str, stages: Iterable[Stage], outcome: str) -> Stage:
    """The first stage of the pipeline with this outcome."""
    fitting = [one for one in stages if (one.pipeline_id, one.outcome) == (pipeline_id, outcome)]
    if not fitting:
        raise PipelineStageMissing(pipeline_id, outcome)
    return min(fitting, key=lambda stage: (stage.position, stage.id))


def stage_in(pipeline_id: str, stages: Iterable[Stage], stage_id: str) -> Stage:
    """The stage of the pipeline with this id."""
    found = next(
        (one for one in stages if (one.pipeline_id, one.id) == (pipeline_id, stage_id)), None
    )
    if found is None:
        raise StageNotInPipeline(stage_id, pipeline_id)
    return found


def name_of(customer: str, product: str) -> str:
    """The name of an opportunity that was given none."""
    return " - ".join(filter(None, (customer, product)))[:NAME_LENGTH_MAX] or "Opportunity"


def _require_open(opportunity: Opportunity) -> None:
    if opportunity.state != OPEN:
        raise OpportunityNotOpen(opportunity)


def _closed(stage: Stage, close_date: date | None, loss: Loss) -> dict[str, object]:
    return {
        "stage_id": stage.id,
        "state": stage.outcome,
        "close_date": close_date,
        "lost_reason": loss.reason,
        "lost_reason_id": loss.reason_id,
    }
