"""What every other package may use: shapes, errors, roundings, elementary functions, claims, the Op record. NumPy only."""
