"""The DICOM network: the receiver (SCP) and the sender (SCU)."""
