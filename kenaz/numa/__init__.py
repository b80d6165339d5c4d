"""Binding processes to parts of a machine's memory."""
