"""Data that comes inside other packages: located without importing them, or refused.

The scores lie in music21, the SoundFont in pretty_midi. Another version of either
may hold other music or other sound, and give other numbers than the text speaks of;
so only these versions are accepted.

Belongs to :doc:`/separation`.
"""

import hashlib
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

__all__ = ["NEEDED", "corpus", "require", "soundfont"]

NEEDED = {"music21": "10.5.1", "pretty_midi": "0.2.11.post0"}

# The 5.99 MB of TimGM6mb.sf2.
_SOUNDFONT = "82475b91a76de15cb28a104707d3247ba932e228bada3f47bba63c6b31aaf7a1"


def require(name: str) -> None:
    """Make sure that a package is there, in the version that is needed.

    Parameters
    ----------
    name : str
        One of the names in `NEEDED`.

    Raises
    ------
    ModuleNotFoundError
        If it is not installed.
    ImportError
        If it is installed in another version.
    """
    needed = NEEDED[name]
    remedy = f"pip install {name}=={needed}"
    try:
        installed = version(name)
    except PackageNotFoundError:
        raise ModuleNotFoundError(
            f"the chorales need {name} {needed}, which is not installed: {remedy}"
        ) from None
    if installed != needed:
        raise ImportError(
            f"the chorales need {name} {needed}, and {installed} is installed: {remedy}"
        )


def corpus() -> Path:
    """Return the folder of music21 that holds Bach's scores as ``.mxl`` files.

    Returns
    -------
    pathlib.Path
        The folder, inside the installed package.

    Raises
    ------
    ImportError
        If music21 is missing or of another version.
    FileNotFoundError
        If it is installed without its corpus.
    """
    folder = _folder("music21") / "corpus" / "bach"
    if not any(folder.glob("*.mxl")):
        raise FileNotFoundError(
            f"the chorales need the scores of music21's corpus, and {folder} has none: "
            "install music21 anew from PyPI, where it comes with its corpus"
        )
    return folder


def soundfont() -> Path:
    """Return the SoundFont file that pretty_midi ships, a General MIDI set.

    Returns
    -------
    pathlib.Path
        The file, inside the installed package; its SHA-256 sum is the one needed.

    Raises
    ------
    ImportError
        If pretty_midi is missing or of another version.
    FileNotFoundError, ValueError
        If its SoundFont is missing, or is not the one that is needed.
    """
    path = _folder("pretty_midi") / "TimGM6mb.sf2"
    if not path.is_file():
        raise FileNotFoundError(
            f"the chorales need the SoundFont of pretty_midi, and there is no {path}"
        )
    checksum = hashlib.sha256(path.read_bytes()).hexdigest()
    if checksum != _SOUNDFONT:
        raise ValueError(
            f"{path} must have the SHA-256 sum {_SOUNDFONT[:12]}..., "
            f"got {checksum[:12]}...: install pretty_midi anew"
        )
    return path


def _folder(name: str) -> Path:
    """Return the folder of a package; importing it would take longer than reading."""
    require(name)
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"{name} is installed, but has no folder")
    return Path(spec.origin).parent
