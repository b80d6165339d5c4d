"""Pipes of samples: each takes another and changes what comes out of it (`source.shuffle().map(f).batch(8)`). Start at
`datapipe.py`."""

from . import iter, map
from .datapipe import DataChunk, IterDataPipe, MapDataPipe, functional_datapipe

__all__ = ["DataChunk", "IterDataPipe", "MapDataPipe", "functional_datapipe", "iter", "map"]
