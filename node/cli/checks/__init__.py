"""The checks of ``hepanode doctor``: each takes the settings and yields findings."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from node.cli.checks import analysis, machine, names, network, records
from node.cli.checks.finding import Finding
from node.settings import Settings

__all__ = ["CHECKS", "Finding"]

CHECKS: tuple[Callable[[Settings], Iterator[Finding]], ...] = (
    machine.data_folder,
    machine.disk,
    records.database,
    network.broker,
    network.receiver,
    network.destinations,
    analysis.device,
    analysis.models,
    names.names,
    records.queue,
    records.runs,
    records.held,
    records.deliveries,
)
