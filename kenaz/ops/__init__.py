"""Operators, one definition each. `record.py` applies them, `declare.py` has the families, and every other file is a
subject: open the one that names what you look for."""
