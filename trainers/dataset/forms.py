"""The forms that a dataset can be exported to and imported from, by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from spatial_trainers.dataset.exchange import PairFiles
from spatial_trainers.dataset.imagefolder import export_imagefolder, read_imagefolder
from spatial_trainers.dataset.label_studio import export_label_studio, read_label_studio
from spatial_trainers.dataset.parquet import export_parquet, read_parquet
from spatial_trainers.dataset.webdataset import export_webdataset, read_webdataset


@dataclass(frozen=True)
class Form:
    """A form.

    Attributes:
        export: Writes a manifest's pairs to a folder and returns their number.
        read: Yields the pairs of such a folder.
    """

    export: Callable[[str | Path, str | Path], int]
    read: Callable[[str | Path], Iterator[PairFiles]]


FORMS: dict[str, Form] = {
    "parquet": Form(export_parquet, read_parquet),
    "imagefolder": Form(export_imagefolder, read_imagefolder),
    "webdataset": Form(export_webdataset, read_webdataset),
    "label-studio": Form(export_label_studio, read_label_studio),
}
