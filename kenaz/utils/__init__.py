"""Helpers around training: data loading, hooks, checkpointing, nested containers (start at `data/dataloader.py`)."""
