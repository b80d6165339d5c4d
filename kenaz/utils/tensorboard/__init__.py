"""Logs for TensorBoard: numbers, pictures, graphs go in, event files come out (start at `writer.py`)."""

from .records import EventFile as FileWriter
from .writer import SummaryWriter

__all__ = ["FileWriter", "SummaryWriter"]
