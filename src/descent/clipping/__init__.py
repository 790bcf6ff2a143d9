"""The global gradient norm, clipping by it, and AutoClip.

Both clippers are called the same way, between ``backward()`` and ``step()``::

    clip = AutoClip(percentile=10)
    ...
    loss.backward()
    report = clip(model.parameters())
    optimizer.step()
    optimizer.zero_grad()

They measure the global norm once, rescale the gradients in place if it is above
the threshold, and report what they did. Or they are attached to an optimizer, which
then clips whenever it steps, in any loop::

    clip.attach(optimizer)

With mixed precision and a gradient scaler, the norm must be that of the gradient and
not of the scale, and overflow must reach the scaler. Either of these sees to it, and
so does :meth:`~AutoClip.attach`::

    scaler.unscale_(optimizer)
    clip(model.parameters())

    clip(model.parameters(), scaler=scaler)

Modules, lowest floor first; each imports only from those listed before it:

``gradients``
    What a caller passes, taken for gradients or refused; their norm, over shards and
    ranks too; their scaling.
``percentiles``
    A percentile of numbers that keep coming.
``scalers``
    Whether a gradient scaler is at work, and by how much it has scaled.
``reports``, ``attachment``
    What a clipper says of a step; a clipper at work in an optimizer.
``capture``
    All this without leaving the device, so that a step can be captured.
``clippers``
    What all clippers do, and a fixed threshold.
``states``
    What AutoClip saves, and the reading of it in any version.
``autoclip``
    AutoClip.

Belongs to :doc:`/clipping` and :doc:`/autoclip`.
"""

from descent.clipping.attachment import Attachment
from descent.clipping.autoclip import AutoClip
from descent.clipping.clippers import ClipNorm, Clipper
from descent.clipping.gradients import global_norm
from descent.clipping.reports import DeviceReport, Report, SkippedStepsWarning

__all__ = [
    "Attachment",
    "AutoClip",
    "ClipNorm",
    "Clipper",
    "DeviceReport",
    "Report",
    "SkippedStepsWarning",
    "global_norm",
]
