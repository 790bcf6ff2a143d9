"""From scores to sound, from sound to spectrograms, from spectrograms to sources.

Modules, lowest floor first; each imports only from those listed before it, and from
the root of the package:

``packages``
    Data that lies inside other packages, located or refused.
``scores``, ``soundfont``
    Bach's chorales, read; recorded notes, played.
``chorales``
    Music to separate: the scores played by two instruments, mixed, split by tune.
``spectrogram``, ``metrics``
    Waveforms to spectrograms and back; how good an estimate is, in decibels.
``separation``
    Masks on spectrograms, and the network that finds them.

Belongs to :doc:`/separation`.
"""

from descent.extras import need

need(__name__, "music21", "platformdirs", "pretty_midi")
