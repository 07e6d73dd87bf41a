"""Synthetic DICOM files: slices of known place and values."""

from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import FileMetaDataset
from pydicom.uid import CTImageStorage
from pydicom.uid import EnhancedCTImageStorage
from pydicom.uid import ExplicitVRLittleEndian
from pydicom.valuerep import DSfloat

SERIES = "1.2.826.0.1.3680043.8.498.1"
AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
CORONAL = (1.0, 0.0, 0.0, 0.0, 0.0, -1.0)
SAGITTAL = (0.0, 1.0, 0.0, 0.0, 0.0, -1.0)


def decimals(values):
    """Numbers as DICOM writes them: text of at most 16 characters."""
    return [DSfloat(float(value), auto_format=True) for value in values]


def dataset(pixels, **elements):
    """A file in memory that holds `pixels`; `None` leaves an element out.

    Args:
        pixels: Integer array `(row, column)` or `(frame, row, column)`.
        **elements: Elements by keyword.
    """
    result = pydicom.Dataset()
    values = {
        "SOPClassUID": CTImageStorage,
        "SOPInstanceUID": pydicom.uid.generate_uid(),
        "SeriesInstanceUID": SERIES,
        "SeriesDescription": "Thorax",
        "Modality": "CT",
        "Rows": pixels.shape[-2],
        "Columns": pixels.shape[-1],
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "BitsAllocated": 8 * pixels.dtype.itemsize,
        "BitsStored": 8 * pixels.dtype.itemsize,
        "HighBit": 8 * pixels.dtype.itemsize - 1,
        "PixelRepresentation": int(pixels.dtype.kind == "i"),
        **elements,
    }
    for keyword, value in values.items():
        if value is not None:
            setattr(result, keyword, value)
    result.PixelData = pixels.tobytes()
    result["PixelData"].VR = "OB" if pixels.dtype.itemsize == 1 else "OW"
    result.file_meta = FileMetaDataset()
    result.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    result.file_meta.MediaStorageSOPClassUID = result.get(
        "SOPClassUID", CTImageStorage
    )
    result.file_meta.MediaStorageSOPInstanceUID = result.SOPInstanceUID
    return result


def write_slice(
    path,
    pixels,
    position=(0.0, 0.0, 0.0),
    orientation=AXIAL,
    spacing=(1.0, 1.0),
    **elements,
):
    """Writes one slice; `spacing` is that of rows, then of columns."""
    places = {
        "ImagePositionPatient": decimals(position),
        "ImageOrientationPatient": decimals(orientation),
        "PixelSpacing": decimals(spacing),
        **elements,
    }
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset(pixels, **places).save_as(path, enforce_file_format=True)
    return path


def positions(count, orientation=AXIAL, distance=1.0, origin=(0, 0, 0)):
    """Positions of slices along their normal."""
    normal = np.cross(orientation[:3], orientation[3:])
    steps = distance * np.arange(count)
    return np.asarray(origin) + steps[:, None] * normal


def write_series(
    folder,
    volume,
    orientation=AXIAL,
    spacing=(1.0, 1.0),
    distance=1.0,
    origin=(0.0, 0.0, 0.0),
    names=None,
    **elements,
):
    """Writes `volume`, `(slice, row, column)`, one file for each slice."""
    names = names or [f"{index}.dcm" for index in range(len(volume))]
    places = positions(len(volume), orientation, distance, origin)
    return [
        write_slice(
            Path(folder, name), pixels, place, orientation, spacing, **elements
        )
        for name, pixels, place in zip(names, volume, places, strict=True)
    ]


def item(**elements):
    """A sequence of one item."""
    result = pydicom.Dataset()
    for keyword, value in elements.items():
        setattr(result, keyword, value)
    return [result]


def write_enhanced(path, volume, places, slopes=None, **elements):
    """Writes frames `(frame, row, column)` with functional groups."""
    groups = []
    for index, place in enumerate(places):
        group = pydicom.Dataset()
        group.PlanePositionSequence = item(ImagePositionPatient=decimals(place))
        if slopes is not None:
            group.PixelValueTransformationSequence = item(
                RescaleSlope=slopes[index], RescaleIntercept=-1024
            )
        groups.append(group)
    shared = pydicom.Dataset()
    shared.PlaneOrientationSequence = item(
        ImageOrientationPatient=decimals(AXIAL)
    )
    shared.PixelMeasuresSequence = item(PixelSpacing=[0.5, 0.75])
    values = {
        "SOPClassUID": EnhancedCTImageStorage,
        "NumberOfFrames": len(volume),
        "SharedFunctionalGroupsSequence": [shared],
        "PerFrameFunctionalGroupsSequence": groups,
        **elements,
    }
    dataset(volume, **values).save_as(path, enforce_file_format=True)
    return Path(path)
