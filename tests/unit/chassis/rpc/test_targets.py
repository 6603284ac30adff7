"""Where the other services are: one name, or the addresses of all replicas."""

import pytest

from chassis.rpc.tls import Channels
from chassis.settings import TARGETS, SettingsError, targets

ONE = {f"{name.upper()}_TARGET": f"{name}:50051" for name in TARGETS}


def test_a_target_is_a_name_or_several_addresses() -> None:
    several = "10.0.0.1:50052,10.0.0.2:50052"
    found = targets(ONE | {"CUSTOMER_TARGET": several})
    assert (found["sales"], found["customer"]) == ("sales:50051", several)


@pytest.mark.parametrize("value", ["", "sales", "10.0.0.1:1,", "10.0.0.1:1,10.0.0.2", ":5"])
def test_what_is_no_address_stops_the_process(value: str) -> None:
    with pytest.raises(SettingsError, match="SALES_TARGET"):
        targets(ONE | {"SALES_TARGET": value})


async def test_channels_are_made_for_both() -> None:
    channels = Channels({"one": "sales:50051", "many": "10.0.0.1:1,10.0.0.2:1"}, (), "")
    for name in channels.targets:
        assert channels.get(name) is channels.get(name)
    await channels.close()
