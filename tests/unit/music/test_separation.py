"""The separation network: transforms, masks, losses and scores against plain ones."""

import math
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from descent.music.metrics import si_sdr, si_sdr_improvement
from descent.music.separation import (
    FixedFilter,
    MaskNetwork,
    apply_masks,
    cut,
    draw_excerpts,
    evaluate,
    oracle_masks,
    phase_sensitive_loss,
    samples_of,
    snr_loss,
)
from descent.music.spectrogram import BINS, HOP, N_FFT, istft, stft
from descent.seeds import set_seed


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def some_masks(batch: int = 1, frames: int = 4, seed: int = 1) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    shape = (batch, 2, frames, BINS)
    return torch.rand(shape, generator=generator, dtype=torch.float64)


def decibels(ratio):
    return 10 * np.log10(ratio)


# --- The spectrogram


@given(st.integers(N_FFT // 2 + 1, 5000), st.integers(0, 99))
def test_there_and_back_again_is_perfect(samples, seed):
    waveform = noise(2, samples, seed=seed)
    spectrogram = stft(waveform)
    assert spectrogram.shape == (2, 1 + samples // HOP, BINS)
    torch.testing.assert_close(istft(spectrogram, samples), waveform)
    assert torch.equal(stft(waveform[0]), spectrogram[0])


def test_a_frame_is_a_windowed_fourier_transform():
    waveform = noise(3000)
    window = np.hanning(N_FFT + 1)[:-1]
    around = slice(7 * HOP - N_FFT // 2, 7 * HOP + N_FFT // 2)
    plain = np.fft.rfft(waveform.numpy()[around] * window)
    np.testing.assert_allclose(stft(waveform)[7].numpy(), plain, atol=1e-10)


def test_what_has_the_wrong_size_is_refused():
    with pytest.raises(ValueError, match="longer than 256 samples, got 256"):
        stft(torch.zeros(2, 256))
    with pytest.raises(ValueError, match=r"shape \(\.\.\., 8, 257\) for 1000 samples"):
        istft(torch.zeros(2, 9, BINS, dtype=torch.complex64), 1000)


# --- Masks and losses


def test_masks_of_one_give_the_mixture_and_masks_that_add_up_the_parts():
    mixture = noise(2, 2000)
    masks = torch.ones(2, 2, 16, BINS, dtype=torch.float64)
    masks[:, 0] *= 0.3
    masks[:, 1] *= 0.7
    estimates = apply_masks(masks, mixture)
    torch.testing.assert_close(estimates.sum(dim=1), mixture)
    torch.testing.assert_close(estimates[:, 0], 0.3 * mixture)


def test_the_phase_sensitive_loss_is_its_formula():
    sources, masks = noise(1, 2, samples_of(4)), some_masks()
    spectra = stft(sources).numpy()[0]
    mixture = spectra.sum(axis=0)
    total = 0.0
    for k in range(2):
        for t in range(4):
            for f in range(BINS):
                angle = np.angle(spectra[k, t, f]) - np.angle(mixture[t, f])
                target = abs(spectra[k, t, f]) * math.cos(angle)
                target = min(max(target, 0), abs(mixture[t, f]))
                masked = float(masks[0, k, t, f]) * abs(mixture[t, f])
                total += abs(masked - target)
    loss = phase_sensitive_loss(masks, sources)
    assert loss.item() == pytest.approx(total / (2 * 4 * BINS), rel=1e-9)


def test_the_snr_loss_is_its_formula():
    sources, masks = noise(2, 2, samples_of(4)), some_masks(2)
    estimates = apply_masks(masks, sources.sum(dim=1)).numpy()
    plain = sources.numpy()
    ratios = (plain**2).sum(-1) / ((plain - estimates) ** 2).sum(-1)
    loss = snr_loss(masks, sources)
    assert loss.item() == pytest.approx(-decibels(ratios).mean(), rel=1e-6)


@pytest.mark.parametrize("loss", [phase_sensitive_loss, snr_loss])
def test_gradients_are_those_of_finite_differences(loss):
    sources = noise(1, 2, samples_of(4))
    masks = some_masks().requires_grad_()
    loss(masks, sources).backward()
    with torch.no_grad():
        for place in torch.randint(masks.numel(), (40,)).tolist():
            step = torch.zeros(masks.numel(), dtype=torch.float64)
            step[place] = 1e-6
            step = step.reshape(masks.shape)
            rise = loss(masks + step, sources) - loss(masks - step, sources)
            slope = masks.grad.flatten()[place].item()
            assert rise.item() / 2e-6 == pytest.approx(slope, rel=1e-4, abs=1e-9)


@pytest.mark.parametrize("loss", [phase_sensitive_loss, snr_loss])
def test_losses_do_not_care_for_the_order_of_sources_and_examples(loss):
    sources, masks = noise(3, 2, samples_of(4)), some_masks(3)
    plain = loss(masks, sources)
    torch.testing.assert_close(loss(masks.flip(1), sources.flip(1)), plain)
    torch.testing.assert_close(loss(masks.flip(0), sources.flip(0)), plain)
    assert abs(loss(masks.flip(1), sources) - plain) > 1e-6  # but for which is which


def test_losses_and_the_loudness_of_the_music():
    sources, masks = noise(2, 2, samples_of(4)), some_masks(2)
    torch.testing.assert_close(
        phase_sensitive_loss(masks, 3 * sources),
        3 * phase_sensitive_loss(masks, sources),
    )
    torch.testing.assert_close(snr_loss(masks, 3 * sources), snr_loss(masks, sources))


@pytest.mark.parametrize("loss", [phase_sensitive_loss, snr_loss])
@pytest.mark.parametrize("silent", [[0], [1], [0, 1]])
def test_silence_gives_finite_losses_and_gradients(loss, silent):
    set_seed(0)
    model = MaskNetwork()
    sources = noise(2, 2, samples_of(10)).float()
    sources[0, silent] = 0
    value = loss(model(sources.sum(dim=1)), sources)
    value.backward()
    assert math.isfinite(value.item())
    assert all(torch.isfinite(w.grad).all() for w in model.parameters())


def test_the_oracle_is_better_than_any_mask_near_it():
    sources = noise(1, 2, samples_of(20))
    oracle = oracle_masks(sources)
    assert 0 <= oracle.min() < oracle.max() <= 1
    mixture = stft(sources.sum(dim=1))[:, None]

    def error(masks):
        return (masks * mixture - stft(sources)).abs().square().sum()

    for seed in range(5):
        other = oracle + 0.1 * noise(*oracle.shape, seed=seed)
        assert error(oracle) < error(other.clamp(0, 1))
    assert phase_sensitive_loss(oracle, sources) < 1e-12


ONE = samples_of(4)


@pytest.mark.parametrize(
    "shape",
    [(1, 2, 4, BINS), (5, 1, 4, BINS), (5, 2, 1, BINS), (5, 2, 4, 1), (2, 4, BINS)],
)
def test_masks_that_only_broadcasting_fits_are_refused(shape):
    sources, masks = noise(5, 2, ONE), torch.ones(shape, dtype=torch.float64)
    wanted = rf"^masks must have the shape \(5, 2, 4, {BINS}\), got \({shape[0]}, "
    for loss in (phase_sensitive_loss, snr_loss):
        with pytest.raises(ValueError, match=wanted):
            loss(masks, sources)
    if shape[1] == 1:  # a mixture does not say of how many sources it is
        assert apply_masks(masks, sources.sum(dim=1)).shape == (5, 1, ONE)
    else:
        with pytest.raises(ValueError, match=r"^masks must have the shape \("):
            apply_masks(masks, sources.sum(dim=1))


@pytest.mark.parametrize(
    "mixture",
    [
        torch.zeros(8000),
        torch.zeros(1, 2, 8000),
        torch.zeros(63, BINS, dtype=torch.complex64),
        torch.zeros(1, 63, BINS - 1, dtype=torch.complex64),
    ],
    ids=["one waveform", "sources", "one spectrogram", "other bins"],
)
def test_maskers_name_a_mixture_of_another_shape(mixture):
    for masker in (MaskNetwork(hidden=2), FixedFilter(noise(1, 2, 1000))):
        with pytest.raises(ValueError, match=r"^mixture must have the shape \(batch, "):
            masker(mixture)


def test_a_filter_masks_a_spectrogram_as_it_does_its_waveform():
    masker, mixture = FixedFilter(noise(3, 2, 1000)), noise(2, 1000)
    assert torch.equal(masker(mixture), masker(stft(mixture)))


def test_sources_have_three_axes():
    sources = np.zeros((2, 5000), dtype=np.float32)
    message = (
        r"^sources must have the shape \(pieces, source, samples\), got \(2, 5000\)"
    )
    with pytest.raises(ValueError, match=message):
        cut(sources, 5)
    with pytest.raises(ValueError, match=message):
        draw_excerpts(sources, 1, 5, torch.Generator())


# --- Scores


def test_si_sdr_is_that_of_torchmetrics():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from torchmetrics.functional.audio import (
            scale_invariant_signal_distortion_ratio as reference,
        )
    target = noise(7, 2, 4000)
    for share in (0.01, 0.3, 1.0, 30.0):
        estimate = target + share * noise(7, 2, 4000, seed=1)
        torch.testing.assert_close(
            si_sdr(estimate, target), reference(estimate, target)
        )
        single = si_sdr(estimate.float(), target.float())
        torch.testing.assert_close(
            single, reference(estimate.float(), target.float()), rtol=0, atol=1e-3
        )


def test_si_sdr_of_a_known_distortion():
    target = torch.zeros(1000)
    target[0], other = 2.0, torch.zeros(1000)
    other[1] = 0.2
    assert si_sdr(target + other, target).item() == pytest.approx(20, abs=1e-4)


@given(st.floats(-12, 6), st.integers(0, 99), st.sampled_from(("float32", "float64")))
def test_si_sdr_does_not_hear_loudness(power, seed, dtype):
    target = noise(1000, seed=seed).to(getattr(torch, dtype))
    estimate = target + 0.3 * noise(1000, seed=seed + 1).to(target.dtype)
    plain = si_sdr(estimate, target)
    close = {"rtol": 0, "atol": 1e-4}
    torch.testing.assert_close(si_sdr(10**power * estimate, target), plain, **close)
    torch.testing.assert_close(si_sdr(-estimate, 10**power * target), plain, **close)


def test_a_silent_estimate_counts_zero_and_a_perfect_one_is_finite():
    target = noise(2, 1000).float()
    silence = torch.zeros_like(target).requires_grad_()
    si_sdr(silence, target).sum().backward()
    assert silence.grad.isfinite().all()
    assert torch.equal(si_sdr(silence, target), torch.zeros(2))
    assert (si_sdr(target, target) > 90).all()
    assert si_sdr(target, target).isfinite().all()
    assert si_sdr(target, silence).isnan().all()
    assert si_sdr(silence, silence).isnan().all()


def test_improvement_is_over_the_mixture_and_nothing_can_be_said_of_silence():
    sources = noise(3, 2, 1000)
    mixture = sources.sum(dim=1, keepdim=True).expand(-1, 2, -1)
    zero = torch.zeros(3, 2, dtype=torch.float64)
    torch.testing.assert_close(si_sdr_improvement(mixture, sources), zero)
    better = sources + 0.1 * sources.flip(1)
    assert (si_sdr_improvement(better, sources) > 19).all()
    torch.testing.assert_close(
        si_sdr_improvement(better.flip(1), sources.flip(1)),
        si_sdr_improvement(better, sources).flip(1),
    )
    sources[1, 0] = 0
    score = si_sdr_improvement(better, sources)
    assert torch.equal(
        score.isnan(), torch.tensor([[False, False], [True, False], [False, False]])
    )


# --- Batches


def test_excerpts_are_cut_from_the_pieces_and_repeatable():
    sources = np.arange(3 * 2 * 5000, dtype=np.float32).reshape(3, 2, 5000)

    def draw(**options):
        generator = torch.Generator().manual_seed(4)
        return draw_excerpts(sources, 16, 10, generator, **options)

    excerpts = draw()
    assert excerpts.shape == (16, 2, samples_of(10))
    assert stft(excerpts).shape[-2] == 10
    assert torch.equal(draw(), excerpts)
    steps = excerpts.diff(dim=-1)
    assert torch.equal(steps, torch.ones_like(steps))  # connected
    assert (excerpts[:, 1] - excerpts[:, 0] == 5000).all()  # both at the same place
    assert len(excerpts[:, 0, 0].unique()) > 10  # from here and there
    assert sources[0, 0, 0] == 0
    assert sources[0, 0, 1] == 1  # the pieces are as they were


def test_the_share_of_silent_sources_is_as_asked():
    sources = np.ones((2, 2, 2000), dtype=np.float32)

    def silent(share):
        generator = torch.Generator().manual_seed(0)
        excerpts = draw_excerpts(sources, 1000, 4, generator, silent=share)
        return (excerpts == 0).all(dim=-1)

    assert not silent(0.0).any()
    assert (silent(1.0).sum(dim=1) == 1).all()  # one of the two, never both
    assert silent(1.0)[:, 0].float().mean() == pytest.approx(0.5, abs=0.05)
    assert silent(0.2).any(dim=1).float().mean() == pytest.approx(0.2, abs=0.04)


def test_fixed_excerpts_leave_out_what_cannot_be_scored():
    sources = np.ones((2, 2, 3 * samples_of(5) + 100), dtype=np.float32)
    sources[1, 0, : samples_of(5)] = 0
    excerpts = cut(sources, 5)
    assert excerpts.shape == (5, 2, samples_of(5))
    assert (excerpts == 1).all()
    with pytest.raises(ValueError, match="sound together somewhere"):
        cut(0 * sources, 5)
    with pytest.raises(ValueError, match="frames must be at most"):
        cut(sources, 500)


# --- The network


def test_masks_have_the_shape_and_the_range_and_do_not_depend_on_the_batch():
    set_seed(0)
    model = MaskNetwork(sources=3, hidden=8, layers=2).eval()
    mixture = noise(4, 3000).float()
    masks = model(mixture)
    assert masks.shape == (4, 3, 1 + 3000 // HOP, BINS)
    assert 0 < masks.min() < masks.max() < 1
    torch.testing.assert_close(model(mixture[1:2]), masks[1:2])
    torch.testing.assert_close(model(stft(mixture)), masks)


def test_evaluating_changes_nothing():
    set_seed(0)
    model = MaskNetwork(hidden=4)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    sources = noise(5, 2, samples_of(10)).float()
    scores = evaluate(model, sources, batch=2)
    assert scores.shape == (5, 2)
    torch.testing.assert_close(evaluate(model, sources, batch=5), scores)
    assert model.training
    assert all(torch.equal(before[n], v) for n, v in model.state_dict().items())


def test_the_trained_network_is_better_than_a_filter_on_tunes_it_never_heard(chorales):
    torch.set_num_threads(1)
    test = cut(chorales.test.sources, 100)
    filter_ = FixedFilter(torch.from_numpy(chorales.training.sources))
    fixed = evaluate(filter_, test).mean(dim=0)
    oracle = si_sdr_improvement(
        apply_masks(oracle_masks(test), test.sum(dim=1)), test
    ).mean(dim=0)

    set_seed(0)
    draw = torch.Generator().manual_seed(0)
    model = MaskNetwork()
    adam = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(200):
        sources = draw_excerpts(chorales.training.sources, 4, 100, draw)
        adam.zero_grad()
        snr_loss(model(sources.sum(dim=1)), sources).backward()
        adam.step()
    learned = evaluate(model, test).mean(dim=0)

    assert (fixed > 1).all()
    assert (learned > fixed + 5).all()
    assert (learned < oracle).all()
