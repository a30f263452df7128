"""A delivery may send an older form of its result, where the destination takes no other."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.add_column("deliveries", sa.Column("form_class_uid", sa.String(64)))
    op.add_column("deliveries", sa.Column("form_instance_uid", sa.String(64)))
    op.add_column("deliveries", sa.Column("form_path", sa.Text()))


def downgrade() -> None:
    op.drop_column("deliveries", "form_path")
    op.drop_column("deliveries", "form_instance_uid")
    op.drop_column("deliveries", "form_class_uid")
