"""What publishing pushes to two branches of the repository, for Binder and Colab.

Binder makes an image of a branch, and makes it anew when the branch changes. So what
an image is made from, the package and its pins, has a branch of its own,
`environment`, which a change of prose leaves alone. The notebooks are on the branch
`notebooks`; the image fetches them when it starts. That branch holds everything, so
that it can be taken away and used as it is.

Both are folders beside the site, with nothing in them that depends on when or where
they were made.
"""

from __future__ import annotations

import shutil
from pathlib import Path

ENVIRONMENT = "environment"
NOTEBOOKS = "notebooks"

# What pip needs to install the package, and the conditions that come with it.
_PACKAGE = ("pyproject.toml", "constraints.txt", "LICENSE")


def leave(root: Path, folder: Path, notebooks: Path) -> None:
    """Leave the content of both branches.

    Parameters
    ----------
    root : pathlib.Path
        The repository.
    folder : pathlib.Path
        Where the branches' folders are made; what they held before is gone.
    notebooks : pathlib.Path
        The folder of the notebooks.
    """
    environment = folder / ENVIRONMENT
    shutil.rmtree(environment, ignore_errors=True)
    shutil.copytree(
        root / "src",
        environment / "src",
        ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"),
    )
    shutil.copytree(root / "binder", environment / "binder")
    (environment / "binder" / "README.md").rename(environment / "README.md")
    for name in _PACKAGE:
        shutil.copy(root / name, environment)

    everything = folder / NOTEBOOKS
    shutil.rmtree(everything, ignore_errors=True)
    shutil.copytree(environment, everything)
    for path in sorted(notebooks.glob("*.ipynb")):
        shutil.copy(path, everything)
