"""Figures with intervals, calibration, folds by patient, and the confound baseline."""
