"""Number types that certify: `DD` (double-double with a radius), `Err` (error bound), `Tape` (gradient), and ball arithmetic.

Import the module that is needed; the package itself loads nothing.
"""
