"""The code behind *Descent*, an executable book on gradient descent.

At the root is the lesson: what the book teaches, and what you may take home. It needs
PyTorch, NumPy and sortedcontainers, and no more. Two wings serve the chapters; what
they import comes with the extra ``book``. Modules, lowest floor first; each imports
only from modules listed before it:

``checks``
    Arguments checked once, with messages that say what is allowed.
``seeds``
    The one place where random numbers start.
``files``
    Files that are written whole or not at all.
``extras``
    What only the wings need: there, or named with the way to get it.
``line``, ``loss``, ``surfaces``, ``recurrent``
    Things to learn: a line, its losses, surfaces with a shape, a network with memory.
``landscape``
    Loss and gradient over a whole grid at once.
``clipping``
    The global gradient norm, clipping by it, and AutoClip.
``training``, ``checkpoint``
    The record of a run, the loop that leaves one, a run taken up again.
``dynamics``
    How far each step goes, and how the ground bends along it.
``recorded``
    Measurements that a build does not repeat.
``music``
    The wing of sound: scores, played, seen as spectrograms, and separated.
``page``
    The wing of what a chapter shows: figures, animations, players, figures to touch,
    and numbers in the text.
``exercises``
    Answers checked.
"""

from importlib.metadata import version

__version__ = version("descent")
