"""`python -m realization` is the command `realization`."""

import sys

from realization.cli import main

sys.exit(main())
