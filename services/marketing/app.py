"""The composition root of the marketing service."""

import os

from chassis.app import Parts, Run, Toolbox
from chassis.rpc.identity import RemoteIdentity
from chassis.settings import service_settings
from services.marketing.consumers import consumers
from services.marketing.methods.campaign import CAMPAIGN
from services.marketing.methods.campaign_member import campaign_member_resource


def serve(run: Run) -> None:
    """Read the settings and run the service, or an operator's command on it."""
    run(service_settings("marketing", os.environ), build)


def build(toolbox: Toolbox) -> Parts:
    """Resources, methods, consumers and jobs of the service."""
    campaigns = toolbox.collection(CAMPAIGN)
    members = toolbox.collection(campaign_member_resource(campaigns.plan))
    return Parts(
        identity=RemoteIdentity(toolbox.clients),
        collections=(campaigns, members),
        consumers=consumers(),
        methods={
            "crm.marketing.v1.CampaignService": campaigns.methods(),
            "crm.marketing.v1.CampaignMemberService": members.methods(),
        },
    )
