"""The tables. Times are UTC; JSON columns hold what no query looks into."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.types import TypeDecorator

REVISION = "0008"  # the Alembic revision these tables are; the receiver checks it without Alembic

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
}


class UTCDateTime(TypeDecorator[datetime]):
    """Aware datetimes in Python, naive UTC in the database: SQLite has no time zones."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        return value.astimezone(UTC).replace(tzinfo=None) if value else None

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        return value.replace(tzinfo=UTC) if value else None


metadata = MetaData(naming_convention=NAMING)

associations = Table(
    "associations",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("calling_ae", String(16), nullable=False),
    Column("address", String(64), nullable=False),
    Column("opened_at", UTCDateTime, nullable=False),
    Column("seen_at", UTCDateTime, nullable=False),
    Column("closed_at", UTCDateTime),
    Index("ix_associations_open", "closed_at", "seen_at"),
)

studies = Table(
    "studies",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("study_instance_uid", String(64), nullable=False, unique=True),
    Column("state", String(16), nullable=False),  # receiving, complete, held
    Column("reason", Text, nullable=False, default=""),
    Column("urgent", Boolean, nullable=False),
    Column("first_instance_at", UTCDateTime, nullable=False),
    Column("last_instance_at", UTCDateTime, nullable=False),
    Index("ix_studies_state", "state", "last_instance_at"),
)

instances = Table(
    "instances",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("study_id", ForeignKey("studies.id"), nullable=False, index=True),
    Column("association_id", ForeignKey("associations.id"), index=True),
    Column("series_instance_uid", String(64), nullable=False),
    Column("sop_instance_uid", String(64), nullable=False, unique=True),
    Column("sop_class_uid", String(64), nullable=False),
    Column("transfer_syntax_uid", String(64), nullable=False),
    Column("patient_id", String(128), nullable=False),
    Column("modality", String(16), nullable=False),
    Column("path", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("calling_ae", String(16), nullable=False),
    Column("own_result", Boolean, nullable=False),
    Column("received_at", UTCDateTime, nullable=False),
)

conflicts = Table(
    "conflicts",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("study_instance_uid", String(64), nullable=False, index=True),
    Column("sop_instance_uid", String(64), nullable=False),
    Column("path", Text, nullable=False, unique=True),
    Column("calling_ae", String(16), nullable=False),
    Column("patient_id", String(128), nullable=False, server_default=""),
    Column("reason", Text, nullable=False),
    Column("received_at", UTCDateTime, nullable=False),
)

prompts = Table(
    "prompts",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("study_id", ForeignKey("studies.id"), nullable=False, index=True),
    Column("sop_instance_uid", String(64), nullable=False),
    Column("frame", Integer, nullable=False),  # from 1
    Column("kind", String(16), nullable=False),  # point, box, hepatorenal
    Column("coordinates", JSON, nullable=False),  # [x, y] of each click, corner or middle
    Column("created_at", UTCDateTime, nullable=False),
    Column("taken_back_at", UTCDateTime),
)

runs = Table(
    "runs",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("study_id", ForeignKey("studies.id"), nullable=False, index=True),
    Column("state", String(16), nullable=False),
    Column("cause", String(32), nullable=False),  # received, late-instance, reprocess, …
    Column("urgent", Boolean, nullable=False),
    Column("attempts", Integer, nullable=False, default=0),
    Column("created_at", UTCDateTime, nullable=False),
    Column("published_at", UTCDateTime),
    Column("not_before", UTCDateTime),
    Column("worker", String(128)),
    Column("lease_until", UTCDateTime),
    Column("started_at", UTCDateTime),
    Column("finished_at", UTCDateTime),
    Column("error", Text, nullable=False, default=""),
    Column("result_key", String(64), index=True),
    Column("snapshot", JSON),
    Column("timings", JSON),
    Index("ix_runs_state", "state", "created_at"),
)

results = Table(
    "results",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("study_id", ForeignKey("studies.id"), nullable=False, index=True),
    Column("run_id", ForeignKey("runs.id"), nullable=False, index=True),
    Column("result_key", String(64), nullable=False, index=True),
    Column("version", Integer, nullable=False),
    Column("position", Integer, nullable=False),
    Column("kind", String(32), nullable=False),
    Column("sop_class_uid", String(64), nullable=False),
    Column("series_instance_uid", String(64), nullable=False),
    Column("sop_instance_uid", String(64), nullable=False, unique=True),
    Column("path", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("sha256", String(64), nullable=False, server_default=""),  # of the file; "": made before
    Column("created_at", UTCDateTime, nullable=False),
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("result_id", ForeignKey("results.id"), nullable=False),
    Column("destination", String(64), nullable=False),
    Column("state", String(16), nullable=False),  # pending, sent, confirmed, failed, refused
    Column("urgent", Boolean, nullable=False),
    Column("attempts", Integer, nullable=False, default=0),  # turns that its set got
    Column("failures", Integer, nullable=False, server_default="0"),  # that were its own
    Column("next_attempt_at", UTCDateTime, nullable=False),
    Column("lease_until", UTCDateTime),
    Column("last_status", Integer),
    Column("last_error", Text, nullable=False, default=""),
    Column("sent_at", UTCDateTime),
    Column("form_class_uid", String(64)),  # of the older form that is sent in the result's stead
    Column("form_series_uid", String(64)),
    Column("form_instance_uid", String(64)),
    Column("form_path", Text),
    Column("confirm_at", UTCDateTime),  # when to ask for a confirmation; None: not any more
    Column("confirm_tries", Integer, nullable=False, server_default="0"),
    Column("transaction_uid", String(64), index=True),  # of the storage commitment asked for last
    Column("confirmed_at", UTCDateTime),
    Column("confirmed_by", String(16), nullable=False, server_default=""),  # commitment, query
    UniqueConstraint("result_id", "destination"),
    Index("ix_deliveries_due", "destination", "state", "next_attempt_at"),
    Index("ix_deliveries_confirm", "destination", "confirm_at"),
)

dialects = Table(
    "dialects",
    metadata,
    Column("destination", String(64), primary_key=True),
    Column("sop_class_uid", String(64), primary_key=True),
    Column("taken", Boolean, nullable=False),
    Column("learned_at", UTCDateTime, nullable=False),
)

clinical_factors = Table(
    "clinical_factors",
    metadata,
    Column("study_id", ForeignKey("studies.id"), primary_key=True),
    Column("name", String(32), primary_key=True),  # of models.factors.ENTERED
    Column("answer", String(32), nullable=False),
)

audit = Table(
    "audit",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at", UTCDateTime, nullable=False),
    Column("actor", String(128), nullable=False),
    Column("action", String(64), nullable=False),
    Column("study_instance_uid", String(64), index=True),
    Column("detail", Text, nullable=False, default=""),
)
