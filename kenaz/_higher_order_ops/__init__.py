"""Operators that take functions (`torch._higher_order_ops`): the scan that libraries import from there."""
