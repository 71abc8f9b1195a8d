"""All realizations of one process: the set of state covariances, its ends and corners, the factors of the spectrum."""
