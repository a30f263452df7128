"""Deliveries are confirmed, and what a destination takes is remembered."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.create_table(
        "dialects",
        sa.Column("destination", sa.String(64), primary_key=True),
        sa.Column("sop_class_uid", sa.String(64), primary_key=True),
        sa.Column("taken", sa.Boolean(), nullable=False),
        sa.Column("learned_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("destination", "sop_class_uid", name="pk_dialects"),
    )
    op.add_column("deliveries", sa.Column("form_series_uid", sa.String(64)))
    op.add_column("deliveries", sa.Column("confirm_at", sa.DateTime()))
    op.add_column(
        "deliveries", sa.Column("confirm_tries", sa.Integer(), nullable=False, server_default="0")
    )
    op.add_column("deliveries", sa.Column("transaction_uid", sa.String(64)))
    op.add_column(
        "deliveries", sa.Column("confirmed_by", sa.String(16), nullable=False, server_default="")
    )
    op.create_index("ix_deliveries_transaction_uid", "deliveries", ["transaction_uid"])
    op.create_index("ix_deliveries_confirm", "deliveries", ["destination", "confirm_at"])


def downgrade() -> None:
    op.drop_index("ix_deliveries_confirm", "deliveries")
    op.drop_index("ix_deliveries_transaction_uid", "deliveries")
    for name in (
        "confirmed_by",
        "transaction_uid",
        "confirm_tries",
        "confirm_at",
        "form_series_uid",
    ):
        op.drop_column("deliveries", name)
    op.drop_table("dialects")
