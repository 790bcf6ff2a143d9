"""Many trainings of one mask network as one: every tensor has a leading axis of runs.

On a GPU a small network leaves most of the device idle: a step is thousands of small
kernels, and the time is that of starting them. Trained together, all runs share each
start. Forward pass, clipping and Adam work on all runs at once; thresholds, histories
and moments belong to each run alone. Nothing asks the host, so that on a GPU the whole
step is captured once as a CUDA graph and then replayed.

The runs are those of plain training with the book's ``MaskNetwork`` and clippers and
PyTorch's Adam, up to rounding; a test compares.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import pad

from descent.music.separation import MaskNetwork
from descent.music.spectrogram import BINS, HOP, N_FFT, stft
from descent.seeds import set_seed

BETA1, EPS = 0.9, 1e-8  # Adam's
MOMENTUM, VARIANCE_EPS, FLOOR = 0.1, 1e-5, 1e-5  # MaskNetwork's


@dataclass(frozen=True)
class Run:
    """One training run among others.

    The threshold at step t is the percentile of the norms so far, times
    ``min(1, t / ramp)``, and at most the ceiling.

    Attributes
    ----------
    seed : int
        Of the weights at the start; runs of one seed see the same minibatches.
    rate : float
        Adam's.
    percentile : float
        Of AutoClip; 100 never clips.
    ceiling : float
        With a percentile of 100, a fixed threshold.
    ramp : int
        How many steps the threshold takes to rise.
    beta2 : float
        Adam's.
    steps_of : int, optional
        The number of the run of the ensemble to whose length each step is rescaled.
    """

    seed: int
    rate: float = 1e-3
    percentile: float = 100
    ceiling: float = math.inf
    ramp: int = 1
    beta2: float = 0.999
    steps_of: int | None = None


# --- Losses, for every run and excerpt


class Loss(NamedTuple):
    """A loss in parts, so that estimates can be held against either order of sources.

    `estimates` and `targets` are called with spectrograms of the sources, shape
    (run, excerpt, source, frame, bin); `estimates` with masks of that shape before
    them; `distance` with what both return. It gives one number for each excerpt.
    """

    estimates: Callable[[Tensor, Tensor], Tensor]
    targets: Callable[[Tensor], Tensor]
    distance: Callable[[Tensor, Tensor], Tensor]

    def __call__(self, masks: Tensor, sources: Tensor, permuted: bool) -> Tensor:
        """Return the loss of every run, shape (run,)."""
        estimates = self.estimates(masks, sources)
        targets = self.targets(sources)
        each = self.distance(estimates, targets)
        if permuted:
            each = each.minimum(self.distance(estimates, targets.flip(2)))
        return each.mean(dim=1)


def _magnitudes(masks: Tensor, sources: Tensor) -> Tensor:
    return masks * sources.sum(dim=2, keepdim=True).abs()


def _phase_sensitive(sources: Tensor) -> Tensor:
    mixture = sources.sum(dim=2, keepdim=True)
    magnitude = mixture.abs()
    tiny = torch.finfo(magnitude.dtype).tiny
    aligned = (sources * mixture.conj()).real / magnitude.clamp_min(tiny)
    return aligned.clamp_min(0).minimum(magnitude)


def _masked(masks: Tensor, sources: Tensor) -> Tensor:
    return waveforms(masks * sources.sum(dim=2, keepdim=True))


def waveforms(spectrograms: Tensor) -> Tensor:
    """Return what ``istft`` does: `torch.istft` asks the host whether it may.

    Shapes (..., frame, bin) and (..., samples).
    """
    window = torch.hann_window(
        N_FFT, dtype=spectrograms.real.dtype, device=spectrograms.device
    )
    frames = torch.fft.irfft(spectrograms, N_FFT) * window
    weights = _overlapped((window**2).expand(frames.shape[-2], N_FFT))
    middle = slice(N_FFT // 2, -N_FFT // 2)
    return _overlapped(frames)[..., middle] / weights[middle]


def _overlapped(frames: Tensor) -> Tensor:
    """Add frames up where they overlap."""
    hops = frames.unflatten(-1, (N_FFT // HOP, HOP)).unbind(dim=-2)
    last = len(hops) - 1
    shifted = [pad(hop, (0, 0, j, last - j)) for j, hop in enumerate(hops)]
    return torch.stack(shifted).sum(dim=0).flatten(-2)


def _l1(estimates: Tensor, targets: Tensor) -> Tensor:
    return (estimates - targets).abs().mean(dim=(2, 3, 4))


def _negative_snr(estimates: Tensor, targets: Tensor) -> Tensor:
    signal = targets.square().sum(dim=-1) + 1e-8
    noise = (targets - estimates).square().sum(dim=-1) + 1e-8
    return -10 * torch.log10(signal / noise).mean(dim=2)


LOSSES = {
    "L1": Loss(_magnitudes, _phase_sensitive, _l1),
    "SNR": Loss(_masked, waveforms, _negative_snr),
}


# --- The recurrent layer


class Recurrence(torch.autograd.Function):
    """The loop of an LSTM over time, for many weights at once.

    Gates in PyTorch's order: input, forget, cell, output. `inputs` of shape
    (time, run, row, 4 * hidden) are what the gates get from outside, `weights` of
    shape (run, hidden, 4 * hidden) what they get from the state before. Returns the
    states, shape (time, run, row, hidden).

    Written by hand because autograd would write and add up a gradient of the weights
    at every time; here it is one product in the end.
    """

    @staticmethod
    def forward(ctx: Any, inputs: Tensor, weights: Tensor) -> Tensor:
        """Go through time, and keep the gates."""
        time, runs, rows, width = inputs.shape
        hidden = width // 4
        gates = torch.empty_like(inputs)
        states = inputs.new_zeros(time + 1, runs, rows, hidden)
        cells = torch.zeros_like(states)
        for t in range(time):
            gate = torch.baddbmm(inputs[t], states[t], weights, out=gates[t])
            gate[..., : 2 * hidden].sigmoid_()
            gate[..., 2 * hidden : 3 * hidden].tanh_()
            gate[..., 3 * hidden :].sigmoid_()
            enter, keep, new, leave = gate.split(hidden, dim=-1)
            torch.addcmul(keep * cells[t], enter, new, out=cells[t + 1])
            torch.mul(leave, cells[t + 1].tanh(), out=states[t + 1])
        ctx.save_for_backward(gates, states, cells, weights)
        return states[1:]

    @staticmethod
    def backward(ctx: Any, outward: Tensor) -> tuple[Tensor, Tensor]:
        """Go back through time (Werbos 1990)."""
        gates, states, cells, weights = ctx.saved_tensors
        hidden = states.shape[-1]
        # How each gate's value changes with what went into it.
        enter, keep, new, leave = gates.split(hidden, dim=-1)
        slopes = gates * (1 - gates)
        slopes[..., 2 * hidden : 3 * hidden] = 1 - new**2
        shown = cells[1:].tanh()
        bend = leave * (1 - shown**2)
        # ... and the loss with the value, but for a factor that comes from later on.
        by_cell = torch.cat([new, cells[:-1], enter], dim=-1) * slopes[..., :-hidden]
        by_state = shown * slopes[..., -hidden:]
        inward = torch.empty_like(gates)
        state, cell = torch.zeros_like(states[0]), torch.zeros_like(cells[0])
        transposed = weights.transpose(1, 2)
        for t in reversed(range(len(gates))):
            state = state + outward[t]
            cell = torch.addcmul(cell, state, bend[t])
            torch.mul(by_cell[t], cell.repeat(1, 1, 3), out=inward[t, ..., :-hidden])
            torch.mul(by_state[t], state, out=inward[t, ..., -hidden:])
            state = torch.bmm(inward[t], transposed)
            cell = cell * keep[t]
        before = states[:-1].permute(1, 3, 0, 2).flatten(2)  # (run, hidden, all)
        return inward, torch.bmm(before, inward.transpose(0, 1).flatten(1, 2))


# --- The ensemble


class Ensemble:
    """Networks that are trained together, each as if alone.

    Parameters
    ----------
    runs : sequence of Run
        All of them.
    loss : str
        A name in :data:`LOSSES`.
    steps : int
        How many steps there is memory for.
    permuted : bool
        Whether, for each excerpt, the better order of the two sources counts.
    hidden, layers : int
        Of :class:`~descent.music.separation.MaskNetwork`.
    dtype : torch.dtype
        Of weights and excerpts.
    device : str
        Where.

    Attributes
    ----------
    seeds : list of int
        Those of the runs, in order: minibatches have one part for each.
    norms, losses, lengths : torch.Tensor
        Of each run and step, shape (run, steps), float64: the gradient norm before
        clipping (infinite where it was not finite, or 0), the loss before the step,
        and how far the step went.
    thresholds : torch.Tensor
        Of the last step, shape (run,).
    """

    def __init__(
        self,
        runs: Sequence[Run],
        loss: str,
        steps: int,
        *,
        permuted: bool = False,
        hidden: int = 64,
        layers: int = 1,
        dtype: torch.dtype = torch.float32,
        device: str = "cpu",
    ) -> None:
        self.runs, self.loss, self.permuted = list(runs), LOSSES[loss], permuted
        self.hidden, self.layers = hidden, layers
        self.seeds = sorted({run.seed for run in runs})
        starts = {seed: self._network(seed).to(dtype) for seed in self.seeds}
        named = dict(starts[self.seeds[0]].named_parameters())
        self._shapes = {name: weight.shape for name, weight in named.items()}

        def column(values: Sequence[float]) -> Tensor:
            return torch.tensor(values, dtype=torch.float64, device=device)

        self._seed_of = torch.tensor(
            [self.seeds.index(run.seed) for run in runs], device=device
        )
        self._rates = column([run.rate for run in runs])
        self._shares = column([run.percentile / 100 for run in runs])
        self._ceilings = column([run.ceiling for run in runs])
        self._ramps = column([run.ramp for run in runs])
        self._beta1 = column([BETA1] * len(runs))
        self._beta2 = column([run.beta2 for run in runs])
        self._leaders = torch.tensor(
            [i if run.steps_of is None else run.steps_of for i, run in enumerate(runs)],
            device=device,
        )
        # All weights of a run lie in one row.
        self.theta = torch.stack(
            [
                torch.cat([w.detach().flatten() for w in starts[run.seed].parameters()])
                for run in runs
            ]
        ).to(device)
        self.theta.requires_grad_()
        self._first = torch.zeros_like(self.theta, requires_grad=False)
        self._second = torch.zeros_like(self._first)
        # Batch normalization sees mixtures only: the same for all runs of a seed.
        self._mean = self._first.new_zeros(len(self.seeds), BINS)
        self._variance = torch.ones_like(self._mean)
        shape = (len(self.runs), steps)
        self.norms = torch.full(shape, math.inf, dtype=torch.float64, device=device)
        self.losses = torch.full_like(self.norms, math.nan)
        self.lengths = torch.full_like(self.norms, math.nan)
        self.thresholds = torch.full_like(self._rates, math.nan)
        self._counted = torch.zeros_like(self._seed_of)
        self._steps = torch.zeros((), dtype=torch.long, device=device)
        self._graph: torch.cuda.CUDAGraph | None = None

    def _network(self, seed: int) -> MaskNetwork:
        set_seed(seed)
        return MaskNetwork(hidden=self.hidden, layers=self.layers)

    # What changes from step to step, always in place.
    _STATE = (
        *("theta", "_first", "_second", "_mean", "_variance"),
        *("norms", "losses", "lengths", "thresholds", "_counted", "_steps"),
    )

    def state_dict(self) -> dict[str, Tensor]:
        """Return all that a resumed training needs."""
        return {name: getattr(self, name).detach().clone() for name in self._STATE}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Go on from there, bit for bit."""
        with torch.no_grad():
            for name in self._STATE:
                getattr(self, name).copy_(state[name])

    @property
    def steps(self) -> int:
        """How many steps have been made."""
        return int(self._steps)

    def network(self, run: int) -> MaskNetwork:
        """Return a run's network by itself."""
        network = self._network(self.runs[run].seed).to(self.theta)
        seed = self._seed_of[run]
        state = {
            **network.state_dict(),
            **{name: w[run].detach() for name, w in self._weights(self.theta).items()},
            "norm.running_mean": self._mean[seed],
            "norm.running_var": self._variance[seed],
        }
        network.load_state_dict(state)
        return network

    def _weights(self, theta: Tensor) -> dict[str, Tensor]:
        """Return the weights by name, each of shape (run, ...)."""
        parts = theta.split([shape.numel() for shape in self._shapes.values()], dim=1)
        return {
            name: part.unflatten(1, shape)
            for (name, shape), part in zip(self._shapes.items(), parts, strict=True)
        }

    def _features(self, sources: Tensor, learn: bool) -> Tensor:
        """Return log magnitudes, normalized, shape (seed, excerpt, frame, bin)."""
        levels = torch.log(sources.sum(dim=2).abs() + FLOOR)
        mean = levels.mean(dim=(1, 2))
        variance = levels.var(dim=(1, 2), correction=0)
        if learn:
            count = levels.shape[1] * levels.shape[2]
            self._mean.lerp_(mean, MOMENTUM)
            self._variance.lerp_(variance * (count / (count - 1)), MOMENTUM)
        spread = (variance + VARIANCE_EPS).sqrt()
        return (levels - mean[:, None, None]) / spread[:, None, None]

    def _masks(self, features: Tensor) -> Tensor:
        """Return masks, shape (run, excerpt, source, frame, bin)."""
        weights = self._weights(self.theta)
        runs, rows, frames, _ = features.shape
        x = features * weights["norm.weight"][:, None, None]
        x = (x + weights["norm.bias"][:, None, None]).flatten(1, 2)  # (run, all, bin)
        for layer in range(self.layers):
            names = (f"l{layer}", f"l{layer}_reverse")
            ways = [
                torch.baddbmm(
                    (weights[f"lstm.bias_ih_{n}"] + weights[f"lstm.bias_hh_{n}"])[
                        :, None
                    ],
                    x,
                    weights[f"lstm.weight_ih_{n}"].transpose(1, 2),
                ).unflatten(1, (rows, frames))
                for n in names
            ]
            # Both ways at once: the backward one reads a time that is turned round.
            both = torch.cat([ways[0], ways[1].flip(2)]).permute(2, 0, 1, 3)
            inner = torch.cat([weights[f"lstm.weight_hh_{n}"] for n in names])
            states = Recurrence.apply(
                both.contiguous(), inner.transpose(1, 2).contiguous()
            )
            forward, backward = states.split(runs, dim=1)
            x = torch.cat([forward, backward.flip(0)], dim=-1)
            x = x.permute(1, 2, 0, 3).flatten(1, 2)  # (run, all, 2 * hidden)
        out = torch.baddbmm(
            weights["out.bias"][:, None], x, weights["out.weight"].transpose(1, 2)
        )
        return (
            out.sigmoid()
            .unflatten(2, (2, BINS))
            .unflatten(1, (rows, frames))
            .transpose(2, 3)
        )

    def gradients(self, batch: Tensor, learn: bool = False) -> tuple[Tensor, Tensor]:
        """Return every run's loss and gradient.

        Parameters
        ----------
        batch : torch.Tensor
            Sources, shape (seed, excerpt, 2, samples).
        learn : bool
            Whether batch normalization takes note of the minibatch.

        Returns
        -------
        torch.Tensor, torch.Tensor
            Shapes (run,) and (run, weights).
        """
        with torch.no_grad():
            sources = stft(batch)
            features = self._features(sources, learn)[self._seed_of]
            sources = sources[self._seed_of]
        losses = self.loss(self._masks(features), sources, self.permuted)
        (gradients,) = torch.autograd.grad(losses.sum(), self.theta)
        return losses.detach(), gradients

    def step(self, batch: Tensor) -> None:
        """Clip and step every run once.

        Parameters
        ----------
        batch : torch.Tensor
            Sources, shape (seed, excerpt, 2, samples).
        """
        if self._graph is not None:
            self._batch.copy_(batch)
            self._graph.replay()
        else:
            self._step(batch)

    def _step(self, batch: Tensor) -> None:
        self.descend(*self.gradients(batch, learn=True))

    def descend(self, losses: Tensor, gradients: Tensor) -> None:
        """Clip gradients in place, and step: the second half of a step.

        Parameters
        ----------
        losses, gradients : torch.Tensor
            From :meth:`gradients`.
        """
        with torch.no_grad():
            norms = gradients.double().norm(dim=1)
            gradients *= self._scale(norms)[:, None].to(gradients.dtype)
            # Set, not multiplied: infinity times 0 is not a number.
            gradients.masked_fill_(~norms.isfinite()[:, None], 0)
            moved = self._adam(gradients)
            lengths = moved.double().norm(dim=1)
            # A run that leads itself goes as far as it would: x / x is 1.
            stretch = torch.where(lengths > 0, lengths[self._leaders] / lengths, 1)
            self.theta.sub_(moved.mul_(stretch[:, None].to(moved.dtype)))
            at = (self._steps - 1)[None]
            self.losses.index_copy_(1, at, losses.double()[:, None])
            self.lengths.index_copy_(1, at, (lengths * stretch)[:, None])

    def _scale(self, norms: Tensor) -> Tensor:
        """Take note of the norms; return what clipping multiplies gradients with."""
        counts = norms.isfinite() & (norms > 0)
        at = self._steps[None]
        self.norms.index_copy_(1, at, norms.where(counts, math.inf)[:, None])
        self._counted += counts
        self._steps += 1
        # Steps to come are infinite, and so at the end.
        ordered = self.norms.sort(dim=1).values
        rank = self._shares * (self._counted - 1).clamp_min(0)
        low = rank.long()
        high = torch.minimum(low + 1, (self._counted - 1).clamp_min(0))
        below = ordered.gather(1, low[:, None])[:, 0]
        above = ordered.gather(1, high[:, None])[:, 0]
        # As NumPy does it: from the nearer neighbor.
        weight, gap = rank - low, above - below
        percentile = torch.where(
            weight >= 0.5, above - gap * (1 - weight), below + gap * weight
        )
        ramp = (self._steps / self._ramps).clamp_max(1)
        threshold = torch.minimum(percentile * ramp, self._ceilings)
        self.thresholds.copy_(threshold.where(counts, math.inf))
        return torch.where(norms > self.thresholds, self.thresholds / norms, 1)

    def _adam(self, gradients: Tensor) -> Tensor:
        """Return how far Adam goes (Kingma and Ba 2015)."""

        def column(values: Tensor) -> Tensor:
            return values[:, None].to(gradients.dtype)

        forget = column(1 - self._beta2)
        self._first.lerp_(gradients, 1 - BETA1)
        self._second.mul_(1 - forget).addcmul_(gradients, gradients * forget)
        one = 1 - self._beta1**self._steps
        two = 1 - self._beta2**self._steps
        spread = self._second.sqrt().div_(column(two.sqrt())).add_(EPS)
        return self._first * column(self._rates / one) / spread

    def capture(self, batch: Tensor) -> None:
        """Record a step as a CUDA graph; from now on steps replay it.

        Parameters
        ----------
        batch : torch.Tensor
            A minibatch of the shape of all to come, on the device.
        """
        self._batch = batch.clone()
        before = self.state_dict()
        aside = torch.cuda.Stream()
        aside.wait_stream(torch.cuda.current_stream())
        # A few steps first: libraries set themselves up, and memory is claimed.
        with torch.cuda.stream(aside):
            for _ in range(3):
                self._step(self._batch)
        torch.cuda.current_stream().wait_stream(aside)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self._step(self._batch)
        self._graph = graph
        self.load_state_dict(before)
