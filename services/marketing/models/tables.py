"""All tables of the service, declared by importing their modules."""

from services.marketing.models import campaign, campaign_member, metadata

__all__ = ["campaign", "campaign_member", "metadata"]
