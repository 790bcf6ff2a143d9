"""The code behind *Descent*, an executable book on gradient descent.

Modules, lowest floor first; each imports only from those above it:

``checks``
    Arguments checked once, with messages that say what is allowed.
``seeds``
    The one place where random numbers start.
``line``, ``loss``, ``surfaces``, ``recurrent``
    Things to learn: a line, its losses, surfaces with a shape, a network with memory.
``landscape``
    Loss and gradient over a whole grid at once.
``clipping``
    The global gradient norm, clipping by it, and AutoClip.
``training``
    The record of a run, and the loop that leaves one.
``figures``, ``animation``
    One style for every figure, one way to make every animation.
``prose``, ``exercises``
    Numbers handed to the text, and answers checked.
"""

from importlib.metadata import version

__version__ = version("descent")
