"""Filters, smoothers and likelihood."""
