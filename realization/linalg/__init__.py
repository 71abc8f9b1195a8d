"""Equations and decisions of linear algebra: arrays in, named results out, each with the number that judges it."""
