"""The records: SQL tables and the few verbs on them. Rows stay in here; dataclasses come out."""

from node.tracking import (
    associations,
    audit,
    deliveries,
    instances,
    prompts,
    results,
    runs,
    studies,
)
from node.tracking.database import Database, utcnow
from node.tracking.records import (
    AuditEntry,
    Claim,
    Conflict,
    Delivery,
    Instance,
    NewPrompt,
    NewResult,
    Prompt,
    ReceivedInstance,
    Result,
    Run,
    Study,
)

__all__ = [
    "AuditEntry",
    "Claim",
    "Conflict",
    "Database",
    "Delivery",
    "Instance",
    "NewPrompt",
    "NewResult",
    "Prompt",
    "ReceivedInstance",
    "Result",
    "Run",
    "Study",
    "associations",
    "audit",
    "deliveries",
    "instances",
    "prompts",
    "results",
    "runs",
    "studies",
    "utcnow",
]
