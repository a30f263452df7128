"""From a run id to result objects: frames, models, findings, DICOM results."""
