"""Number types that certify: `DD` (double-double with radius), `Err` (error bound), `Tape` (gradient); and balls.

Import the module that is needed; the package itself loads nothing.
"""
