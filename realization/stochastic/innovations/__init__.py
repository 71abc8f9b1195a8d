"""What innovations tell of a model, and of its order."""
