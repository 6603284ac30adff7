"""No sequence of transitions reaches a state that must not be, and the stage history adds up."""

from collections.abc import Callable
from dataclasses import asdict
from datetime import date

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from chassis.errors import CrmError
from services.sales.domain import opportunity as domain
from services.sales.domain.opportunity import LOST, OPEN, WON, Loss, Opportunity, Stage, Transition
from services.sales.methods.opportunity import state_of

STAGES = [
    Stage("a", "p", 10, OPEN),
    Stage("b", "p", 20, OPEN),
    Stage("c", "p", 20, OPEN),
    Stage("won", "p", 30, WON),
    Stage("lost", "p", 40, LOST),
    Stage("elsewhere", "q", 10, OPEN),
]
BY_ID = {stage.id: stage for stage in STAGES}
ANY_STAGE = st.sampled_from([*BY_ID, "nowhere"])
DAYS = st.sampled_from([date(2020, 1, 1), date(2026, 3, 1)])
REASONS = st.sampled_from(["", " ", "price", "no budget"])
REFUSALS = {
    "OPPORTUNITY_NOT_OPEN",
    "OPPORTUNITY_NOT_CLOSED",
    "STAGE_NOT_OPEN",
    "STAGE_NOT_IN_PIPELINE",
    "INVALID_FIELDS",
}


class OpportunityMachine(RuleBasedStateMachine):
    """Transitions in any order on one opportunity."""

    def __init__(self) -> None:
        super().__init__()
        self.now = Opportunity("o", "p", "a", OPEN)
        self.moves: list[tuple[str | None, str]] = [(None, "a")]

    @rule(day=DAYS)
    def win(self, day: date) -> None:
        """Close as won."""
        self._attempt(lambda: domain.win(self.now, STAGES, day), {OPEN: WON})

    @rule(day=DAYS, reason=REASONS, reason_id=st.sampled_from(["", "choice"]))
    def lose(self, day: date, reason: str, reason_id: str) -> None:
        """Close as lost."""
        loss = Loss(reason, reason_id)
        self._attempt(lambda: domain.lose(self.now, STAGES, day, loss), {OPEN: LOST})

    @rule(stage_id=ANY_STAGE)
    def move(self, stage_id: str) -> None:
        """Go to another stage."""
        self._attempt(lambda: domain.move(self.now, STAGES, stage_id), {OPEN: OPEN})

    @rule(stage_id=st.none() | ANY_STAGE)
    def reopen(self, stage_id: str | None) -> None:
        """Make open again."""
        allowed = {WON: OPEN, LOST: OPEN}
        self._attempt(lambda: domain.reopen(self.now, STAGES, stage_id), allowed)

    def _attempt(self, decide: Callable[[], Transition], allowed: dict[str, str]) -> None:
        try:
            transition = decide()
        except CrmError as error:
            if error.reason not in REFUSALS:
                raise
            return
        before = self.now
        self.now = state_of({**asdict(before), **transition.values})
        assert allowed[before.state] == self.now.state
        if before.stage_id != self.now.stage_id:
            self.moves.append((before.stage_id, self.now.stage_id))

    @invariant()
    def state_follows_from_stage(self) -> None:
        """As the foreign key of the table has it too."""
        stage = BY_ID[self.now.stage_id]
        assert (stage.pipeline_id, stage.outcome) == (self.now.pipeline_id, self.now.state)

    @invariant()
    def closing_facts_fit(self) -> None:
        """As the checks of the table have it too."""
        assert (self.now.close_date is not None) == (self.now.state != OPEN)
        told = bool(self.now.lost_reason or self.now.lost_reason_id)
        assert told == (self.now.state == LOST)

    @invariant()
    def history_adds_up(self) -> None:
        """Every move begins where the one before it ended, and the last one is now."""
        assert [to for _, to in self.moves[:-1]] == [start for start, _ in self.moves[1:]]
        assert self.moves[-1][1] == self.now.stage_id


OpportunityMachine.TestCase.settings = settings(max_examples=100, stateful_step_count=30)
TestOpportunityMachine = OpportunityMachine.TestCase
