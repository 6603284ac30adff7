"""What is done again and again while a step of an operation goes on."""

import asyncio

import pytest

from chassis.meanwhile import meanwhile
from chassis.operations.runner import LEASE_S, RENEW_S


async def test_it_is_done_until_the_block_ends() -> None:
    done = 0

    async def again() -> None:
        nonlocal done
        done += 1

    async with meanwhile(again, 0.01):
        await asyncio.sleep(0.2)
    seen = done
    assert seen >= 3
    with pytest.raises(ValueError, match="of the work"):
        async with meanwhile(again, 0.01):
            raise ValueError("of the work")
    await asyncio.sleep(0.05)
    assert done == seen


def test_a_lease_outlives_two_renewals_that_fail() -> None:
    assert 2 * RENEW_S < LEASE_S
