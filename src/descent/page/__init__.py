"""What a chapter shows: on the page, in a notebook, and in the text.

Modules, lowest floor first; each imports only from those listed before it, from the
root of the package, and from ``music``:

``ticks``
    Powers of ten that can be read.
``legibility``
    Whether the words of a figure can be read.
``narrow``
    A second drawing of every figure, for phones.
``figures``
    One style for every figure, and the colors with their partners for dark pages.
``animation``
    One way to make a figure move.
``table``
    Tables to sort and filter.
``audio``
    Players with a picture of what they play.
``explorable``
    Figures to touch.
``prose``
    Numbers handed from a cell to the text.

Belongs to every chapter: :doc:`/index` is the first.
"""

from descent.extras import need

need(__name__, "IPython", "PIL", "gif", "matplotlib")
