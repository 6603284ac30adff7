"""GetPipelineSummary."""

from collections.abc import Callable, Mapping
from datetime import datetime

from chassis.call import Call
from chassis.codec import invalid_fields
from chassis.db.pool import Tx
from chassis.filter.condition import compile_filter
from chassis.filter.fields import FilterField
from chassis.filter.parser import parse_filter
from chassis.resource.query import filter_context
from chassis.resource.rows import money_sum
from crm.reporting.v1 import report_pb2 as pb
from crm.type.v1.money_pb2 import Money
from services.reporting.domain.fact import CLOSE_MONTH, CLOSE_QUARTER
from services.reporting.domain.rollup import Sums
from services.reporting.domain.summary import Group, by_quarter, in_order, win_rate, without
from services.reporting.methods.dimensions import FIELDS, FILTERS
from services.reporting.methods.names import read_names
from services.reporting.methods.sums import Question, SumsReader

RESOURCE = "opportunities"
ANSWER_BYTES_MAX = 3 * 1024 * 1024


class PipelineSummaries:
    """Answers from facts and rollup; `current_as_of` tells up to when these are current."""

    def __init__(self, current_as_of: Callable[[], datetime | None]) -> None:
        self._reader = SumsReader()
        self._current_as_of = current_as_of

    async def get(
        self, call: Call, tx: Tx, request: pb.GetPipelineSummaryRequest
    ) -> pb.PipelineSummary:
        """Groups within the caller's reach; a wrong filter raises InvalidArgument."""
        # Asked before reading: what is counted may be newer than told, never older.
        current = self._current_as_of()
        hidden = call.field_access(RESOURCE).hidden
        if hidden & FIELDS[request.group_by]:
            raise invalid_fields([("group_by", "There is no such field.")])
        # Quarters are made of months, so that no sum depends on when a tenant's fiscal year begins.
        quarterly = request.group_by == CLOSE_QUARTER
        question = Question(
            tenant_id=call.tenant_id,
            dimension=CLOSE_MONTH if quarterly else request.group_by,
            filter=compile_filter(
                parse_filter(request.filter), _seen(hidden), filter_context(call, call.now)
            ),
            reach=call.reach(RESOURCE, "READ"),
            currency=call.access.currency_code,
        )
        sums = await self._reader.read(tx, question)
        if quarterly:
            sums = by_quarter(sums, call.access.fiscal_year_start_month)
        names = await read_names(call, tx, request.group_by, sums)
        groups = [
            Group(key, names.get(key), without(by_currency, hidden))
            for key, by_currency in sums.items()
        ]
        answer = pb.PipelineSummary()
        if current is not None:
            answer.current_as_of.FromDatetime(current)
        size = 0
        for group in in_order(request.group_by, groups, question.currency):
            message = _message(group)
            size += message.ByteSize()
            if size > ANSWER_BYTES_MAX:
                break
            answer.groups.append(message)
        return answer


def _seen(hidden: frozenset[str]) -> Mapping[str, FilterField]:
    """The fields that the caller may filter by."""
    return {name: one for name, one in FILTERS.items() if name.split(".")[0] not in hidden}


def _message(group: Group) -> pb.PipelineGroup:
    total = group.total
    return pb.PipelineGroup(
        key=group.key,
        label=group.label,
        count=total.count,
        amounts=_amounts(group.sums, "count", "amount"),
        won_count=total.won_count,
        won_amounts=_amounts(group.sums, "won_count", "won_amount"),
        lost_count=total.lost_count,
        lost_amounts=_amounts(group.sums, "lost_count", "lost_amount"),
        win_rate=win_rate(total.won_count, total.lost_count),
    )


def _amounts(sums: Mapping[str, Sums], count: str, amount: str) -> list[Money]:
    """One sum per currency in which there is any opportunity of that kind."""
    return [
        money_sum(getattr(sums[code], amount), code)
        for code in sorted(sums)
        if code and getattr(sums[code], count)
    ]
