"""Clinical and ultrasonic factors that somebody entered for a study."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_table(
        "clinical_factors",
        sa.Column("study_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("answer", sa.String(length=32), nullable=False),
        sa.ForeignKeyConstraint(
            ["study_id"], ["studies.id"], name=op.f("fk_clinical_factors_study_id")
        ),
        sa.PrimaryKeyConstraint("study_id", "name", name=op.f("pk_clinical_factors")),
    )


def downgrade() -> None:
    op.drop_table("clinical_factors")
