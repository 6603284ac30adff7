"""Each resource of the platform in turn."""

import pytest

from tests.contract.resources import Facts, all_resources


@pytest.fixture(params=all_resources(), ids=lambda one: one.plural)
def facts(request: pytest.FixtureRequest) -> Facts:
    """Each resource in turn."""
    found = request.param
    assert isinstance(found, Facts)
    return found
