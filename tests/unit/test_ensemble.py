"""Many runs as one: each is what it would be alone, and goes on after a kill."""

from dataclasses import replace

import pytest
import torch

from descent.clipping import AutoClip, ClipNorm, global_norm
from descent.music.separation import MaskNetwork, phase_sensitive_loss, snr_loss
from descent.music.spectrogram import istft, stft
from descent.seeds import set_seed
from ensemble import LOSSES, Ensemble, Recurrence, Run, waveforms

STEPS, FRAMES = 6, 6
PLAIN = {"L1": phase_sensitive_loss, "SNR": snr_loss}
# What every arm of a plan is made of. The norms here are about .02 and 2.
ARMS = {
    "none": Run(0),
    "p=10": Run(0, percentile=10),
    "p=50": Run(0, rate=1e-2, percentile=50),
    "fixed": Run(0, ceiling=0.01),
    "guarded": Run(0, percentile=10, ramp=5),
    "beta2": Run(0, beta2=0.95),
    "steps of": Run(0, steps_of=1),
}


def minibatches(seeds: int) -> list[torch.Tensor]:
    """Return sources, shape (seed, excerpt, 2, samples); some are silent."""
    set_seed(3)
    batches = 0.1 * torch.randn(STEPS, seeds, 3, 2, (FRAMES - 1) * 128).double()
    batches[2, :, 1, 0] = 0
    return list(batches)


def ensemble(loss: str, **options: object) -> Ensemble:
    """Return all arms from two seeds, in float64."""
    arms = list(ARMS.values())
    runs = [
        replace(
            arm,
            seed=seed,
            steps_of=None if arm.steps_of is None else arm.steps_of + i * len(arms),
        )
        for i, seed in enumerate((4, 5))
        for arm in arms
    ]
    return Ensemble(
        runs, loss, STEPS, hidden=5, layers=2, dtype=torch.float64, **options
    )


def alone(run, loss, batches, permuted=False, lengths=None):
    """Train one network as the book does; return it and the length of every step."""
    set_seed(run.seed)
    network = MaskNetwork(hidden=5, layers=2).double()
    adam = torch.optim.Adam(network.parameters(), lr=run.rate, betas=(0.9, run.beta2))
    clip = ClipNorm(run.ceiling) if run.ceiling < 1e9 else AutoClip(run.percentile)
    gone = []
    for step, sources in enumerate(batches, start=1):
        masks = network(sources.sum(dim=1))
        values = torch.stack(
            [
                torch.stack(
                    [
                        PLAIN[loss](m[None], s[None])
                        for m, s in zip(masks, order, strict=True)
                    ]
                )
                for order in (sources, sources.flip(1))
            ]
        )
        value = (values.amin(dim=0) if permuted else values[0]).mean()
        adam.zero_grad()
        value.backward()
        if run.ramp > 1:
            norm = global_norm(network.parameters())
            clip._record(norm, 0.0)
            limit = clip.thresholds[-1] * min(1, step / run.ramp)
            ClipNorm(limit)(network.parameters())
        else:
            clip(network.parameters())
        weights = list(network.parameters())
        before = [w.detach().clone() for w in weights]
        adam.step()
        with torch.no_grad():
            length = torch.cat(
                [(w - b).flatten() for w, b in zip(weights, before, strict=True)]
            ).norm()
            if lengths is not None:
                for w, b in zip(weights, before, strict=True):
                    w.copy_(b + (w - b) * lengths[step - 1] / length)
                length = lengths[step - 1]
        gone.append(float(length))
    return network, gone


@pytest.mark.slow
@pytest.mark.parametrize(
    ("loss", "permuted"), [("L1", False), ("SNR", False), ("SNR", True), ("L1", True)]
)
def test_every_arm_is_the_books_training(loss, permuted):
    together = ensemble(loss, permuted=permuted)
    batches = minibatches(2)
    for batch in batches:
        together.step(batch)
    for number, run in enumerate(together.runs):
        part = [batch[together.seeds.index(run.seed)] for batch in batches]
        lengths = None
        if run.steps_of is not None:
            _, lengths = alone(together.runs[run.steps_of], loss, part, permuted)
        network, gone = alone(run, loss, part, permuted, lengths)
        ours = together.network(number).state_dict()
        for name, value in network.state_dict().items():
            if name != "norm.num_batches_tracked":
                assert (ours[name] - value).abs().max() < 1e-10, (run, name)
        assert together.lengths[number].tolist() == pytest.approx(gone, abs=1e-10)


def test_every_arm_does_something_else():
    together = ensemble("SNR")
    for batch in minibatches(2):
        together.step(batch)
    ends = [theta.sum().item() for theta in together.theta.detach()]
    assert len(set(ends)) == len(ends)
    clipped = together.norms[:, -1] > together.thresholds
    assert clipped.any()
    assert not clipped.all()


def test_one_bad_minibatch_is_skipped_as_the_clippers_do():
    batches = minibatches(1)
    batches[3][:, 0, 0, 5] = torch.nan
    runs = [Run(4, percentile=10)]
    together = Ensemble(runs, "SNR", STEPS, hidden=5, layers=2, dtype=torch.float64)
    for batch in batches[:4]:
        together.step(batch)
    assert together.norms[0, :4].isfinite().tolist() == [True, True, True, False]
    assert together.theta.isfinite().all()
    network, _ = alone(runs[0], "SNR", [batch[0] for batch in batches[:4]])
    assert (together.network(0).out.weight - network.out.weight).abs().max() < 1e-10
    assert together.thresholds.isinf().all()


def test_a_resumed_training_is_the_one_that_would_have_been():
    batches = minibatches(2)
    whole, first, second = (ensemble("L1") for _ in range(3))
    for batch in batches:
        whole.step(batch)
    for batch in batches[:3]:
        first.step(batch)
    second.load_state_dict(first.state_dict())
    assert second.steps == 3
    for batch in batches[3:]:
        second.step(batch)
    for name, value in whole.state_dict().items():
        torch.testing.assert_close(
            second.state_dict()[name], value, rtol=0, atol=0, equal_nan=True
        )


def test_looking_at_a_gradient_changes_nothing():
    together = ensemble("SNR")
    batch = minibatches(2)[0]
    before = together.state_dict()
    losses, gradients = together.gradients(batch)
    assert gradients.shape == together.theta.shape
    for name, value in together.state_dict().items():
        torch.testing.assert_close(value, before[name], equal_nan=True)
    together.step(batch)
    assert torch.equal(together.losses[:, 0], losses)
    norms = gradients.norm(dim=1)
    torch.testing.assert_close(together.norms[:, 0], norms)


def test_the_recurrences_gradient_is_that_of_differences():
    set_seed(0)
    inputs = torch.randn(4, 2, 3, 8, dtype=torch.float64, requires_grad=True)
    weights = torch.randn(2, 2, 8, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(Recurrence.apply, (inputs, weights))


def test_waveforms_are_those_of_the_books_inverse():
    set_seed(0)
    samples = (FRAMES - 1) * 128
    spectrograms = stft(torch.randn(2, 3, samples).double())
    spectrograms = spectrograms * torch.rand(spectrograms.shape)
    expected = istft(spectrograms, samples)
    torch.testing.assert_close(waveforms(spectrograms), expected)


def test_the_better_order_counts_for_each_excerpt():
    set_seed(0)
    sources = stft(0.1 * torch.randn(1, 2, 2, (FRAMES - 1) * 128))
    masks = torch.rand(sources.shape)
    for loss in LOSSES.values():
        orders = [loss(masks, s, False) for s in (sources, sources.flip(2))]
        best = loss(masks, sources, True)
        turned = torch.stack([sources[:, 0], sources[:, 1].flip(1)], dim=1)
        assert best <= min(orders)
        torch.testing.assert_close(loss(masks, turned, True), best)
