"""Internal tokens as identity gives them out."""

from datetime import datetime

from joserfc.jwk import OKPKey

from chassis.call import Principal
from chassis.rpc.token import LIFETIME_S, sign
from crm.identity.v1.session_pb2 import InternalToken


def internal_token(key: OKPKey, principal: Principal, now: datetime) -> InternalToken:
    """A token for the principal, signed with the key, good for five minutes from now."""
    issued = int(now.timestamp())
    token = InternalToken(
        token=sign(key, principal, issued),
        tenant_id=principal.tenant_id,
        principal_id=principal.id,
        session_id=principal.session_id,
        restriction=principal.restriction,
    )
    token.expire_time.FromSeconds(issued + LIFETIME_S)
    return token
