"""A B-mode simulator of the liver: for the demo, for tests and for first fitting.

Scatterers in polar coordinates are convolved with a depth-dependent point spread function, lose
amplitude along each beam, and go through gain, log compression and scan conversion. It is an
image model, not a wave model: no refraction, no true reverberation, no motion. Figures obtained
on its frames say nothing of patients by themselves.
"""

from models.simulation.anatomy import VIEWS
from models.simulation.frame import SimulatedFrame, simulate_frame, simulate_participant
from models.simulation.lesions import LESION_KINDS, Lesion
from models.simulation.participant import Participant

SIMULATED_VIEWS = tuple(VIEWS)

__all__ = [
    "LESION_KINDS",
    "SIMULATED_VIEWS",
    "Lesion",
    "Participant",
    "SimulatedFrame",
    "simulate_frame",
    "simulate_participant",
]
