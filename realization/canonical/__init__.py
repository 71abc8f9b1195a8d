"""Canonical forms (similarities) and reductions of linear systems, each with the numbers that judge it."""
