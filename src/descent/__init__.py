"""The code behind *Descent*, an executable book on gradient descent.

Modules, lowest floor first; each imports only from modules listed before it:

``checks``
    Arguments checked once, with messages that say what is allowed.
``seeds``
    The one place where random numbers start.
``files``
    Files that are written whole or not at all.
``line``, ``loss``, ``surfaces``, ``recurrent``
    Things to learn: a line, its losses, surfaces with a shape, a network with memory.
``landscape``
    Loss and gradient over a whole grid at once.
``clipping``
    The global gradient norm, clipping by it, and AutoClip.
``training``, ``checkpoint``, ``progress``
    The record of a run, the loop that leaves one, a run taken up again, a bar.
``dynamics``
    How far each step goes, and how the ground bends along it.
``packages``, ``scores``, ``soundfont``, ``chorales``
    Music to separate: Bach's chorales, read, played, mixed, split by tune.
``spectrogram``, ``metrics``, ``separation``
    Masks on spectrograms, the network that finds them, and how good they are.
``figures``, ``animation``, ``audio``, ``explorable``
    One style for every figure, one way to make it move, to let it be heard, to let it
    be touched.
``recorded``
    Measurements that a build does not repeat.
``prose``, ``exercises``
    Numbers handed to the text, and answers checked.
"""

from importlib.metadata import version

__version__ = version("descent")
