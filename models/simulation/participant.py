"""A simulated person: how fat changes the liver, and what differs between people besides."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Participant:
    """Traits that all views of one person share.

    fat_percent : proton density fat fraction, %. liver_echo : backscatter in dB relative to a lean
    liver. liver_attenuation : dB/cm/MHz. kidney_echo : dB relative to a lean liver. subcutaneous,
    muscle : mm. coarseness : dB of slow parenchymal variation.
    """

    fat_percent: float
    liver_echo: float
    liver_attenuation: float
    kidney_echo: float
    subcutaneous: float
    muscle: float
    coarseness: float

    @property
    def wall(self) -> float:
        """mm from skin to liver capsule."""
        return self.subcutaneous + self.muscle


def fat_backscatter(fat_percent: float) -> float:
    """dB that fat adds to a lean liver's backscatter: about 5 dB at 10 %, saturating at 9."""
    return 9.0 * (1.0 - float(np.exp(-fat_percent / 14.0)))


def fat_attenuation(fat_percent: float) -> float:
    """Attenuation in dB/cm/MHz: 0.55 when lean, 0.82 at 30 % fat."""
    return 0.55 + 0.009 * fat_percent


def draw_participant(fat_percent: float, generator: np.random.Generator) -> Participant:
    """A person of this liver fat; habitus goes with fat loosely, the rest is chance."""
    build = generator.normal() + 0.03 * fat_percent
    return Participant(
        fat_percent=fat_percent,
        liver_echo=fat_backscatter(fat_percent) + generator.normal(0.0, 1.0),
        liver_attenuation=fat_attenuation(fat_percent) + generator.normal(0.0, 0.03),
        kidney_echo=-2.0 + generator.normal(0.0, 1.2),
        subcutaneous=float(np.clip(13.0 + 5.0 * build, 5.0, 32.0)),
        muscle=float(generator.uniform(6.0, 12.0)),
        coarseness=float(generator.uniform(0.5, 1.3)),
    )
