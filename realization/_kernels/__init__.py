"""Compiled loops: the only part of the package that may import numba.

Importing the package itself loads nothing; `jit` compiles and caches, `elementary`
holds scalar functions of float64, `dd` the same on double-doubles with a radius, and
the other modules are kernels.
"""
