"""The records: SQL tables and the few verbs on them. Rows stay in here; dataclasses come out."""

from node.tracking import (
    associations,
    audit,
    clinical,
    deliveries,
    instances,
    results,
    runs,
    studies,
)
from node.tracking.database import Database, utcnow
from node.tracking.records import (
    AuditEntry,
    Claim,
    ClinicalFactor,
    Conflict,
    Delivery,
    Instance,
    NewResult,
    ReceivedInstance,
    Result,
    Run,
    Study,
)

__all__ = [
    "AuditEntry",
    "Claim",
    "ClinicalFactor",
    "Conflict",
    "Database",
    "Delivery",
    "Instance",
    "NewResult",
    "ReceivedInstance",
    "Result",
    "Run",
    "Study",
    "associations",
    "audit",
    "clinical",
    "deliveries",
    "instances",
    "results",
    "runs",
    "studies",
    "utcnow",
]
