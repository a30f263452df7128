"""Inference, training and evaluation of the model systems: arrays in, frozen dataclasses out.

Nothing here knows DICOM, SQL or Celery, and importing ``models`` or ``models.registry`` does not
import torch.
"""
