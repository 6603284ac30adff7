"""Clients of five tenants work while everything is broken in turn; nothing is lost or doubled."""

from pathlib import Path

import pytest

from deploy.local.settings import ROOT
from tests.fault.campaign.campaign import Size, campaign

QUICK = Size(20_000, 30, seed=1)
SIZES = {"few": Size(1_500, 6, seed=1), "quick": QUICK, "all": QUICK}
RESULTS = ROOT / ".run" / "fault"
LIMIT_S = 600.0


@pytest.mark.timeout(1500)
def test_nothing_is_lost_doubled_or_mixed_up(
    tmp_path: Path, pytestconfig: pytest.Config, figures: list[str]
) -> None:
    size = SIZES[str(pytestconfig.getoption("--fault-rounds"))]
    result = campaign(size, tmp_path, RESULTS)
    found = result.summary()
    figures.append(
        f"{found['operations']} operations under {len(result.faults)} faults, {found['kills']} "
        f"kills -9 among them, network faults by {found['network']}, in {found['seconds']} s;"
        f" recovery p50 {found['recovery_s_p50']} s, p99 {found['recovery_s_p99']} s"
    )
    assert {name: lines[:5] for name, lines in result.violations.items() if lines} == {}
    assert result.unwitnessed == []
    kills = sum(fault.kills for fault in result.faults)
    assert kills == len(result.recoveries_s) == size.kills
    assert len(result.history) > size.operations
    assert result.seconds <= LIMIT_S
