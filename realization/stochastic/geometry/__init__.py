"""Past, future and state as subspaces: angles, canonical variables, information."""
