"""Results know the digest of their file: whether what lies there later is what was made."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.add_column(
        "results", sa.Column("sha256", sa.String(length=64), nullable=False, server_default="")
    )


def downgrade() -> None:
    op.drop_column("results", "sha256")
