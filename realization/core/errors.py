"""What goes wrong, in three words."""


class RealizationError(Exception):
    """Base of every error that this library raises on purpose."""


class ShapeError(RealizationError, ValueError):
    """An argument has the wrong shape, dtype or value; the message says what came and what was needed."""


class StructureError(RealizationError, ValueError):
    """A mathematical hypothesis does not hold; the message gives the measured number and the threshold."""


class ConvergenceError(RealizationError, RuntimeError):
    """An iteration stopped early; the message gives the residual and the number of steps."""
