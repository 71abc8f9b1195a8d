"""Sphinx: MyST pages whose code runs at build time, one generated page per operation, nothing remote."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

import _ops  # noqa: E402  (lies beside this file)

import realization  # noqa: E402

project = "realization"
author = "The realization developers"
copyright = "2026, The realization developers"
version = release = realization.__version__

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx-mathjax-offline"]
myst_enable_extensions = ["dollarmath", "amsmath", "deflist", "colon_fence"]
myst_heading_anchors = 3

nb_execution_mode = "cache"
nb_execution_raise_on_error = True
# the first cell of a page may compile kernels
nb_execution_timeout = 300
# what one cell prints is one block
nb_merge_streams = True

html_theme = "pydata_sphinx_theme"
html_title = f"realization {release}"
html_show_sourcelink = False
html_theme_options = {"show_prev_next": False, "secondary_sidebar_items": ["page-toc"]}
# the pages at the top have no neighbours to list, and code wants the width
html_sidebars = {"*": []}
exclude_patterns = ["_build", "jupyter_execute"]

_ops.write(HERE / "ops")
