"""Workbooks made to do harm cost a process of their own less than a second and little memory."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.bombs import BOMBS
from tests.workbooks import packed

MEASURE = Path(__file__).with_name("measure.py")
MEMORY_KIB_MAX = 64 * 1024
CPU_S_MAX = 1.0
FAR_ROWS = 20_000
FAR_BYTES_MAX = 10_000_000


@dataclass(frozen=True)
class Cost:
    """How the converter ended on one file, and what it took."""

    status: int
    told: str
    cpu_s: float
    memory_kib: int
    written_bytes: int


def measured(files: dict[str, bytes], folder: Path) -> dict[str, Cost]:
    """The cost of each file."""
    paths = [folder / f"{at}.xlsx" for at in range(len(files))]
    for path, data in zip(paths, files.values(), strict=True):
        path.write_bytes(data)
    done = subprocess.run(
        [sys.executable, str(MEASURE), *map(str, paths)],
        env={"PYTHONPATH": os.pathsep.join(sys.path)}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    lines = [Cost(*json.loads(line)) for line in done.stdout.splitlines()]
    return dict(zip(files, lines, strict=True))


@pytest.fixture(scope="module")
def costs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Cost]:
    """What each bomb costs."""
    files = {name: make() for name, (make, _) in BOMBS.items()}
    return measured(files, tmp_path_factory.mktemp("bombs"))


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused_within_a_second(costs: dict[str, Cost], name: str) -> None:
    cost = costs[name]
    assert (cost.status, json.loads(cost.told)["reason"]) == (3, BOMBS[name][1])
    assert cost.cpu_s < CPU_S_MAX
    assert cost.memory_kib < MEMORY_KIB_MAX


def test_a_far_column_makes_no_wide_rows(tmp_path: Path) -> None:
    rows = "".join(
        f'<row r="{at}"><c r="XFD{at}"><v>{at}</v></c></row>' for at in range(1, FAR_ROWS)
    )
    cost = measured({"far": packed(rows)}, tmp_path)["far"]
    assert cost.status == 0, cost.told
    assert cost.written_bytes < FAR_BYTES_MAX
