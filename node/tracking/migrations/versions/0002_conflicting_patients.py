"""What was put aside keeps its Patient ID: it may be the second one of its study."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column(
        "conflicts",
        sa.Column("patient_id", sa.String(length=128), nullable=False, server_default=""),
    )


def downgrade() -> None:
    op.drop_column("conflicts", "patient_id")
