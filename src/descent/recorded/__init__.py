"""Measurements that a build does not repeat, each with how it was made.

A measurement is written by a program of the repository: the file holds the command that
made it, the versions and the machine, and the numbers. A survey was read by eye: the
file holds how, and where each row was read.

Belongs to :doc:`/autoclip`, :doc:`/experiment`, :doc:`/published`, :doc:`/recipes` and
:doc:`/separation`.
"""

import json
from importlib.resources import files
from typing import Any

__all__ = ["load"]


def load(name: str) -> dict[str, Any]:
    """Return a recorded measurement.

    Parameters
    ----------
    name : str
        The file's name without ``.json``.

    Returns
    -------
    dict
        The measurement, with the keys ``command``, ``machine`` and ``versions``
        besides its own (in a list under ``made`` where several machines added to it);
        or the survey, with the keys ``how`` and ``read``.

    Raises
    ------
    ValueError
        If there is no such measurement.
    """
    folder = files("descent.recorded")
    known = sorted(
        path.name.removesuffix(".json")
        for path in folder.iterdir()
        if path.name.endswith(".json")
    )
    if name not in known:
        raise ValueError(f"name must be one of {known}, got {name!r}")
    measurement: dict[str, Any] = json.loads(
        (folder / f"{name}.json").read_text("utf8")
    )
    return measurement
