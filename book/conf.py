"""`_config.yml`, for what calls Sphinx by itself: `make watch` and `make links`.

Jupyter Book does not read this file.
"""

from pathlib import Path

from jupyter_book.config import get_final_config

_here = Path(__file__).parent
_config, _ = get_final_config(
    user_yaml=_here / "_config.yml",
    sourcedir=_here,
    cli_config={"external_toc_path": "_toc.yml", "latex_individualpages": False},
)
globals().update(_config)
