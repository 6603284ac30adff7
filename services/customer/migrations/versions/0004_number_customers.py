"""number the customers that there are, by their ids; their series goes on behind them.

A transaction of its own: readers need not wait for it as they do for new columns.
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        sa.text(
            """
            WITH placed AS (
                SELECT tenant_id, id, row_number() OVER (PARTITION BY tenant_id ORDER BY id) AS n
                FROM customer
            ), numbered AS (
                UPDATE customer
                SET number = 'C' || lpad(n::text, greatest(6, length(n::text)), '0')
                FROM placed
                WHERE customer.tenant_id = placed.tenant_id AND customer.id = placed.id
                RETURNING customer.tenant_id
            )
            INSERT INTO number_series (tenant_id, name, last, given)
            SELECT tenant_id, 'customer', count(*), int8multirange(int8range(1, count(*) + 1))
            FROM numbered GROUP BY tenant_id
            """
        )
    )
