"""The pipeline summary as it follows from what the owning services list over gRPC."""

from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from google.protobuf.message import Message

from crm.customer.v1.customer_pb2 import ListCustomersResponse
from crm.identity.v1.user_pb2 import ListUsersResponse
from crm.marketing.v1.campaign_pb2 import ListCampaignsResponse
from crm.reporting.v1 import report_pb2 as pb
from crm.sales.v1.opportunity_pb2 import ListOpportunitiesResponse, Opportunity
from crm.sales.v1.product_pb2 import ListProductsResponse
from crm.sales.v1.stage_pb2 import ListStagesResponse
from crm.type.v1.requests_pb2 import ListRequest
from tests.integration.drive import Person

# dimension -> list method of the service that owns its names, its answer, and the answer's field
OWNERS: Mapping[str, tuple[str, type[Message], str]] = {
    "stage": ("sales.StageService/ListStages", ListStagesResponse, "stages"),
    "owner": ("identity.UserService/ListUsers", ListUsersResponse, "users"),
    "product": ("sales.ProductService/ListProducts", ListProductsResponse, "products"),
    "customer": ("customer.CustomerService/ListCustomers", ListCustomersResponse, "customers"),
    "campaign": ("marketing.CampaignService/ListCampaigns", ListCampaignsResponse, "campaigns"),
}
OPPORTUNITIES = (
    "sales.OpportunityService/ListOpportunities",
    ListOpportunitiesResponse,
    "opportunities",
)
WON, LOST = Opportunity.WON, Opportunity.LOST


@dataclass
class Counted:
    """One group: numbers and amounts of all, won and lost ones."""

    counts: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    amounts: dict[tuple[str, str], Decimal] = field(default_factory=lambda: defaultdict(Decimal))

    def add(self, kind: str, one: Opportunity) -> None:
        """Count one opportunity as all, won or lost."""
        self.counts[kind] += 1
        if one.HasField("amount"):
            self.amounts[kind, one.amount.currency_code] += Decimal(one.amount.amount)


async def recomputed(who: Person, dimension: str, expression: str = "") -> dict[str, Counted]:
    """Groups by label of all opportunities that the caller may list."""
    names = await _names(who, dimension)
    groups: dict[str, Counted] = defaultdict(Counted)
    async for one in _listed(who, OPPORTUNITIES, expression):
        assert isinstance(one, Opportunity)
        key = _key(one, dimension)
        group = groups[names.get(key, key) or "(none)"]
        group.add("all", one)
        if one.state in {WON, LOST}:
            group.add("won" if one.state == WON else "lost", one)
    return dict(groups)


def reported(summary: pb.PipelineSummary) -> dict[str, Counted]:
    """The same of an answer."""
    groups: dict[str, Counted] = {}
    for group in summary.groups:
        counted = groups[group.label] = Counted()
        for kind, count, amounts in (
            ("all", group.count, group.amounts),
            ("won", group.won_count, group.won_amounts),
            ("lost", group.lost_count, group.lost_amounts),
        ):
            if count:
                counted.counts[kind] = count
            for money in amounts:
                counted.amounts[kind, money.currency_code] = Decimal(money.amount)
    return groups


def _key(one: Opportunity, dimension: str) -> str:
    if dimension in OWNERS:
        return str(getattr(one, f"{dimension}_id"))
    day = one.close_date if one.state in {WON, LOST} else one.expected_close_date
    if not day or dimension == "close_month":
        return day[:7]
    return f"{day[:4]}Q{(int(day[5:7]) + 2) // 3}"


async def _names(who: Person, dimension: str) -> Mapping[str, str]:
    if dimension not in OWNERS:
        return {}
    return {one.id: one.name async for one in _listed(who, OWNERS[dimension], "")}  # type: ignore[attr-defined]  # all of these have both


async def _listed(
    who: Person, where: tuple[str, type[Message], str], expression: str
) -> AsyncIterator[Message]:
    method, answer, plural = where
    token = ""
    while True:
        request = ListRequest(filter=expression, page_size=1000, page_token=token)
        page = await who.call(method, request)
        assert isinstance(page, answer)
        for one in getattr(page, plural):
            yield one
        token = getattr(page, "next_page_token")  # noqa: B009  # clients answer with messages in general
        if not token:
            return
