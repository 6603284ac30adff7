"""Members of campaigns."""

from google.protobuf.message import Message

from chassis.call import Call
from chassis.codec import invalid_fields
from chassis.db.pool import Tx
from chassis.errors import NotFound
from chassis.resource.plan import Plan
from chassis.resource.read import get_record
from chassis.resource.resource import Reference, Resource, Row
from crm.marketing.v1.campaign_member_pb2 import CampaignMember
from services.marketing.domain.campaign import check_member
from services.marketing.models.campaign_member import campaign_member


class CampaignMemberRules:
    """The hooks; members have no owner, so their campaign must be within reach."""

    def __init__(self, campaigns: Plan) -> None:
        self._campaigns = campaigns

    async def prepare_create(self, call: Call, tx: Tx, row: Row, _message: Message) -> None:
        """A member is somebody, of a living campaign that the caller sees."""
        check_member(row["customer_id"], row["contact_id"])
        await self._require_campaign(call, tx, row["campaign_id"])

    async def prepare_update(
        self, call: Call, tx: Tx, before: Row, row: Row, _message: Message
    ) -> None:
        """The same for what the member becomes."""
        after = before | row
        check_member(after["customer_id"], after["contact_id"])
        if str(after["campaign_id"]) != str(before["campaign_id"]):
            await self._require_campaign(call, tx, after["campaign_id"])

    async def _require_campaign(self, call: Call, tx: Tx, campaign_id: object) -> None:
        missing = invalid_fields([("campaign_id", "There is no such record.")])
        if not campaign_id:
            raise missing
        names = ("id", "delete_time")
        try:
            found = await get_record(call, tx, self._campaigns, str(campaign_id), names)
        except NotFound:
            raise missing from None
        if found.HasField("delete_time"):
            raise missing


def campaign_member_resource(campaigns: Plan) -> Resource:
    """The declaration of campaign members."""
    rules = CampaignMemberRules(campaigns)
    return Resource(
        message=CampaignMember,
        table=campaign_member,
        filterable=("campaign_id", "customer_id", "contact_id", "response"),
        orderable=(),
        references=(
            Reference("campaign_id", "campaigns"),
            Reference("customer_id", "customers", "customer"),
            Reference("contact_id", "contacts", "customer"),
        ),
        unique={"uq_campaign_member_somebody": "customer_id"},
        # Who it is, another service knows; the tenant's own fields have what else there is to find.
        searchable=("external_id",),
        prepare_create=rules.prepare_create,
        prepare_update=rules.prepare_update,
    )
