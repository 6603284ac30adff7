"""own fields whose values no history shows."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "custom_field",
        sa.Column("sensitive", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        if_not_exists=True,
    )
