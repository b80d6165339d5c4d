"""Make the subset of Fashion-MNIST that the package ships: the first images of each class, in the full set's order.

    python tools/make_fashion_subset.py DIR

DIR holds the four published files. 7,500 training and 1,500 test images are what fits into 4 MB.
"""

import gzip
import shutil
import struct
import sys
from pathlib import Path

import numpy as np

TARGET = Path(__file__).parent.parent / "kenaz" / "vision" / "data" / "FashionMNIST"
SIZES = {"train": 7500, "t10k": 1500}
CLASSES = 10


def read_idx(path: Path, header: int) -> np.ndarray:
    return np.frombuffer(gzip.decompress(path.read_bytes()), np.uint8, offset=header)


def write_idx(path: Path, header: bytes, array: np.ndarray) -> None:
    # mtime=0: the same input gives the same bytes
    path.write_bytes(gzip.compress(header + array.tobytes(), 9, mtime=0))


def first_of_each_class(labels: np.ndarray, count: int) -> np.ndarray:
    chosen = [np.flatnonzero(labels == c)[: count // CLASSES] for c in range(CLASSES)]
    return np.sort(np.concatenate(chosen))


def main() -> None:
    source = Path(sys.argv[1])
    raw = TARGET / "raw"
    raw.mkdir(parents=True, exist_ok=True)
    for split, count in SIZES.items():
        labels = read_idx(source / f"{split}-labels-idx1-ubyte.gz", 8)
        images = read_idx(source / f"{split}-images-idx3-ubyte.gz", 16).reshape(-1, 28, 28)
        chosen = first_of_each_class(labels, count)
        write_idx(raw / f"{split}-labels-idx1-ubyte.gz", struct.pack(">ii", 0x801, count), labels[chosen])
        write_idx(raw / f"{split}-images-idx3-ubyte.gz", struct.pack(">iiii", 0x803, count, 28, 28), images[chosen])
    if (source.parent / "LICENSE").exists():
        shutil.copy(source.parent / "LICENSE", TARGET / "LICENSE")


if __name__ == "__main__":
    main()
