"""Reads scans: NIfTI files and DICOM series."""
