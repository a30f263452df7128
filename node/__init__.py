"""The outside world and the records: DICOM network, storage, tracking, dispatch, command line."""
