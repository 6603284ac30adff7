"""Migrations only add: the previous version goes on running on the migrated database."""

import re

import pytest

from deploy.local.settings import ROOT
from tests.tidy.revisions import LOCKS, TAKES, problems, unused_since

# Nothing ran beside these: they led to the first version that is upgraded.
BEFORE = {"identity": 4, "customer": 5, "sales": 4, "marketing": 4, "reporting": 3}
REVISIONS = sorted((ROOT / "services").glob("*/migrations/versions/[0-9]*.py"))
CHECKED = [path for path in REVISIONS if int(path.name[:4]) > BEFORE[path.parts[-4]]]
ADD = "op.add_column('lead', sa.Column('score', sa.Integer(), {}))"
INDEX = "op.create_index('ix_lead_score', 'lead', ['score']{})"
TABLE = "op.create_table('lead', sa.Column('id', sa.UUID(), nullable=False))\n"


def test_migrations_only_add() -> None:
    found = [
        f"{path.relative_to(ROOT)} {problem}"
        for path in CHECKED
        for problem in problems(path.read_text())
    ]
    assert found == []


def test_what_is_taken_away_names_the_release_that_stopped_using_it() -> None:
    released = set(
        re.findall(r"^## \[(\d+\.\d+\.\d+)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    )
    named = {unused_since(path.read_text()) for path in CHECKED} - {""}
    assert named <= released


@pytest.mark.parametrize(
    "step",
    [
        ADD.format("nullable=True"),
        ADD.format("nullable=False, server_default='0'"),
        INDEX.format(", postgresql_concurrently=True"),
        TABLE + INDEX.format(""),
        "op.create_check_constraint('ck', 'lead', 'score > 0', postgresql_not_valid=True)",
        "op.drop_constraint('ck', 'lead', type_='check')",
        "op.alter_column('lead', 'score', nullable=True)",
        "op.execute(f'CREATE {kind} CONCURRENTLY {name} ON lead (score)')",
        "op.execute('UPDATE lead SET score = 0')",
        "op.execute('ALTER TABLE lead VALIDATE CONSTRAINT ck')",
    ],
)
def test_expanding_steps_are_allowed(step: str) -> None:
    assert problems(step) == []


@pytest.mark.parametrize(
    "step",
    [
        "op.drop_column('lead', 'score')",
        "op.drop_table('lead')",
        "op.rename_table('lead', 'prospect')",
        "op.drop_constraint('uq', 'lead', type_='unique')",
        "op.alter_column('lead', 'score', nullable=False)",
        "op.alter_column('lead', 'score', type_=sa.Text())",
        "op.alter_column('lead', 'score', new_column_name='points')",
        ADD.format("nullable=False"),
        "op.execute('ALTER TABLE lead DROP COLUMN score')",
        "op.execute(sa.text('ALTER TABLE lead RENAME COLUMN score TO points'))",
        "op.execute('ALTER TABLE lead\\n ALTER COLUMN score TYPE text')",
        "op.execute('ALTER TABLE lead ALTER score SET NOT NULL')",
    ],
)
def test_contracting_steps_need_a_release(step: str) -> None:
    assert [TAKES in found for found in problems(step)] == [True]
    assert problems(f"UNUSED_SINCE = '0.1.0'\n{step}") == []


@pytest.mark.parametrize(
    "step",
    [
        INDEX.format(""),
        "op.drop_index('ix_lead_score', 'lead')",
        "op.create_foreign_key('fk', 'lead', 'user', ['user_id'], ['id'])",
        "op.execute(f'CREATE INDEX {name} ON lead (score)')",
        "op.execute('LOCK TABLE lead')",
        "op.execute('REINDEX TABLE lead')",
    ],
)
def test_steps_that_stop_writers_are_refused(step: str) -> None:
    assert [LOCKS in found for found in problems(f"UNUSED_SINCE = '0.1.0'\n{step}")] == [True]


def test_unknown_steps_are_refused() -> None:
    assert "do not know" in problems("op.batch_alter_table('lead')")[0]
