"""What the extra ``book`` brings: there, or named with the way to get it.

Belongs to no chapter: it speaks to those who installed the lesson alone.
"""

from importlib.metadata import metadata
from importlib.util import find_spec

__all__ = ["need"]

EXTRA = "book"


def need(who: str, *modules: str) -> None:
    """Make sure that what a part of the package imports is installed.

    Parameters
    ----------
    who : str
        The part, as the message names it.
    *modules : str
        What it imports and the extra brings.

    Raises
    ------
    ImportError
        If one is missing; the message names it, the extra, and how to install that.
    """
    missing = [name for name in modules if find_spec(name) is None]
    if missing:
        urls = metadata("descent").get_all("Project-URL") or []
        repository = dict(url.split(", ", 1) for url in urls)["Repository"]
        raise ImportError(
            f"{who} needs {', '.join(missing)}, which come with the extra '{EXTRA}': "
            f'pip install "descent[{EXTRA}] @ git+{repository}@main"',
            name=missing[0],
        )
