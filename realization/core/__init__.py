"""What every other package may use: shapes, errors, roundings, elementary functions, claims, Op. NumPy only."""
