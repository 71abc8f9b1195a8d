"""The classical road: windows of covariances, their recursions, and how they go on."""
