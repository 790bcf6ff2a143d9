"""Explorables compute what PyTorch and NumPy compute.

The update rules, landscapes and percentiles are modules without a page. They are
loaded into one, and many cases are computed in one go.
"""

import json
import math
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import Phase, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from playwright.sync_api import Browser

from book import ROOT
from descent import loss, surfaces
from descent.clipping import AutoClip, ClipNorm
from descent.landscape import axis, loss_grid
from descent.line import draw_line
from descent.seeds import set_seed

MODULES = ROOT / "src" / "descent" / "page" / "explorable"
HOST = "http://modules.test"

Call = Callable[..., Any]


def settings(max_examples: int) -> hypothesis_settings:
    """Return settings without shrinking, which would take minutes here."""
    return hypothesis_settings(max_examples=max_examples, phases=[Phase.generate])


@pytest.fixture(scope="module")
def call(browser: Browser) -> Iterator[Call]:
    """Return a function that runs an arrow function of the modules on an argument."""
    page = browser.new_page()

    def answer(route: Any) -> None:
        name = route.request.url.rsplit("/", 1)[1]
        if not name:
            route.fulfill(body="<!doctype html>", content_type="text/html")
        else:
            text = (MODULES / name).read_text("utf8")
            route.fulfill(body=text, content_type="text/javascript")

    page.route(f"{HOST}/**", answer)
    page.goto(f"{HOST}/")
    page.evaluate(
        """async names => {
        window.all = {};
        for (const name of names)
            Object.assign(window.all, await import(`/${name}.js`));
    }""",
        [path.stem for path in MODULES.glob("*.js")],
    )

    def run(code: str, argument: Any) -> Any:
        # Through JSON, since the driver's own protocol is slow with long arrays.
        found = page.evaluate(
            f"text => JSON.stringify(({code})(JSON.parse(text), window.all),"
            " (key, value) => typeof value === 'number' && !Number.isFinite(value)"
            " ? String(value) : value)",
            json.dumps(argument).replace("Infinity", "1e999"),
        )
        return json.loads(found)

    yield run
    page.context.close()


# --- Percentiles ---------------------------------------------------------------------

norm_lists = st.lists(st.floats(1e-6, 1e6), min_size=1, max_size=60)
percents = st.one_of(st.sampled_from([0, 10, 50, 90, 100]), st.floats(0, 100))


def numbers(values: list[Any]) -> np.ndarray:
    """Return an array from numbers and the words NaN and Infinity."""
    return np.array([float(value) for value in values])


@settings(max_examples=20)
@given(cases=st.lists(st.tuples(norm_lists, percents), min_size=20, max_size=20))
def test_percentiles_are_numpys_bit_for_bit(call: Call, cases):
    found = call(
        "(cases, { percentile }) => cases.map(([norms, p]) =>"
        " percentile(norms.sort((a, b) => a - b), p))",
        cases,
    )
    assert found == [np.percentile(norms, p) for norms, p in cases]


@settings(max_examples=15)
@given(
    cases=st.lists(
        st.tuples(norm_lists, percents, st.integers(1, 70)), min_size=10, max_size=10
    )
)
def test_autoclip_is_the_percentile_of_the_window(call: Call, cases):
    found = call(
        "(cases, { autoclip }) => cases.map(([norms, p, window]) =>"
        " autoclip(norms, p, window))",
        cases,
    )
    for (norms, p, window), thresholds in zip(cases, found, strict=True):
        wanted = [
            np.percentile(norms[max(0, end - window) : end], p)
            for end in range(1, len(norms) + 1)
        ]
        assert thresholds == wanted


def test_a_nan_is_left_out_of_the_history_or_poisons_it(call: Call):
    norms = [1.0, 2.0, "NaN", 3.0, 4.0, 5.0]
    guarded, poisoned, within, part = call(
        """(norms, { autoclip, unguarded, share }) => {
            norms = norms.map(Number);
            return [autoclip(norms, 50), unguarded(norms, 50),
                unguarded(norms, 50, 2), [share(norms, norms.map(() => 2))]];
        }""",
        norms,
    )
    np.testing.assert_equal(numbers(guarded), [1, 1.5, np.nan, 2, 2.5, 3])
    np.testing.assert_equal(numbers(poisoned), [1, 1.5, *[np.nan] * 4])
    np.testing.assert_equal(numbers(within), [1, 1.5, np.nan, np.nan, 3.5, 4.5])
    assert part == [60]


# --- Landscapes ----------------------------------------------------------------------

COSTS = {
    "absolute": loss.mean_absolute_error,
    "squared": loss.mean_squared_error,
    "huber": loss.huber_error,
}
SURFACES = ("bowl", "ravine", "saddle", "rosenbrock")
LANDSCAPES = (*SURFACES, *COSTS)
# Of the cliff, runs over hundreds of steps would take PyTorch minutes.
WITH_CLIFF = (*LANDSCAPES, "cliff")


@cache
def line_data() -> tuple[list[float], list[float]]:
    """Return the book's data as the page gets them."""
    data = draw_line(set_seed(0))
    return [
        [float(str(value)) for value in column.flatten().numpy()]
        for column in (data.x, data.y)
    ]


def oracle(name: str, theta: torch.Tensor, order: int = 1) -> torch.Tensor:
    """Return the loss of a landscape, float64; `order` -1 adds it up backward."""
    if name in SURFACES or name == "cliff":
        return getattr(surfaces, name)(theta)
    x, y = (torch.tensor(c[::order], dtype=torch.float64) for c in line_data())
    return COSTS[name](theta[0] * x + theta[1], y)


# In the page: the landscape of a name.
LANDSCAPE = """const landscape = name => name === "cliff" ? all.cliff
    : all.surface(name) ?? all.line(argument.x, argument.y, name);"""


def with_line(**more: Any) -> dict[str, Any]:
    x, y = line_data()
    return {"x": x, "y": y, **more}


places = st.tuples(st.floats(-5, 5), st.floats(-5, 5))


@settings(max_examples=15)
@given(starts=st.lists(places, min_size=5, max_size=5))
def test_losses_and_gradients_are_autograds(call: Call, starts):
    found = call(
        f"""(argument, all) => {{ {LANDSCAPE}
            return argument.names.map(name => argument.starts.map(theta =>
                [landscape(name).value(theta), ...landscape(name).gradient(theta)]));
        }}""",
        with_line(names=WITH_CLIFF, starts=starts),
    )
    for name, rows in zip(WITH_CLIFF, found, strict=True):
        for start, row in zip(starts, rows, strict=True):
            theta = torch.tensor(start, dtype=torch.float64, requires_grad=True)
            value = oracle(name, theta)
            value.backward()
            assert row == pytest.approx(
                [value.item(), *theta.grad.tolist()], rel=1e-9, abs=1e-9
            )


# --- Update rules --------------------------------------------------------------------


def optimizer(rule: str, theta: torch.Tensor, s: dict[str, float]):
    """Return PyTorch's optimizer for one of the page's rules."""
    optim = torch.optim
    if rule == "descent":
        return optim.SGD([theta], lr=s["rate"])
    if rule in ("momentum", "nesterov"):
        ahead = rule == "nesterov"
        return optim.SGD([theta], lr=s["rate"], momentum=s["momentum"], nesterov=ahead)
    if rule == "rmsprop":
        return optim.RMSprop([theta], lr=s["rate"], alpha=s["alpha"])
    return optim.Adam([theta], lr=s["rate"], betas=(s["beta1"], s["beta2"]))


DEFAULTS = {
    "rate": 0.01,
    "momentum": 0.9,
    "alpha": 0.99,
    "beta1": 0.9,
    "beta2": 0.999,
}
RULES = ("descent", "momentum", "nesterov", "rmsprop", "adam")
STEPS = 200
BOUND = 1e30


def torch_path(
    rule: str, name: str, start, s: dict[str, float], order: int = 1, jitter: float = 0
) -> np.ndarray:
    """Return the path of `torch.optim`, up to where it leaves all bounds.

    With `jitter`, every gradient is taken beside the place where the path is, off by
    about that share of each coordinate.
    """
    random = torch.Generator().manual_seed(0)
    theta = torch.tensor(start, dtype=torch.float64, requires_grad=True)
    chosen = optimizer(rule, theta, s)
    path = [theta.tolist()]
    for _ in range(STEPS):
        chosen.zero_grad()
        off = torch.randn(2, generator=random, dtype=torch.float64)
        value = oracle(name, theta * (1 + jitter * off), order)
        if not (abs(value.item()) < BOUND and theta.abs().max().item() < BOUND):
            break
        value.backward()
        chosen.step()
        path.append(theta.tolist())
    return np.array(path)


def page_paths(call: Call, cases: list[dict[str, Any]]) -> list[np.ndarray]:
    """Return the paths that the page's rules take, one a case."""
    found = call(
        f"""(argument, all) => {{ {LANDSCAPE}
            return argument.cases.map(c => all.run(
                c.rule, landscape(c.name), c.start, c.s, {STEPS}).path);
        }}""",
        with_line(cases=cases),
    )
    return [np.array([numbers(place) for place in path]) for path in found]


def assert_same_path(found: np.ndarray, wanted: np.ndarray) -> None:
    """Compare paths: to 1e-9, of the numbers themselves where those are large."""
    assert found.shape == wanted.shape
    finite = np.isfinite(wanted)
    np.testing.assert_array_equal(np.isfinite(found), finite)
    np.testing.assert_allclose(found[finite], wanted[finite], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_takes_the_steps_of_torch_on_every_landscape(call: Call, rule: str):
    rate = {"rmsprop": 0.02, "adam": 0.1}.get(rule, 5e-4)
    s = {**DEFAULTS, "rate": rate}
    start = [-1.2, 1.0]
    cases = [{"rule": rule, "name": n, "start": start, "s": s} for n in LANDSCAPES]
    paths = page_paths(call, cases)
    for name, found in zip(LANDSCAPES, paths, strict=True):
        wanted = torch_path(rule, name, start, s)
        assert len(wanted) == STEPS + 1
        assert np.abs(wanted[-1] - wanted[0]).max() > 0.01
        assert_same_path(found, wanted)


several = st.fixed_dictionaries(
    {
        "rule": st.sampled_from(RULES),
        "start": places,
        "s": st.fixed_dictionaries(
            {
                "rate": st.floats(-5, 1).map(lambda power: 10**power),
                "momentum": st.floats(0.01, 0.99),
                "alpha": st.floats(0.5, 0.999),
                "beta1": st.floats(0, 0.99),
                "beta2": st.floats(0.5, 0.9999),
            }
        ),
    }
)

# How far a difference in the last digits may grow before a run says no more: bouncing
# and exploding runs amplify it at every step until nothing agrees, and RMSProp divides
# what is left of a sum that cancels by a root of the same size.
SPREAD = 1e-11


def steady_part(rule: str, name: str, start, s, wanted: np.ndarray) -> int:
    """Return for how many steps PyTorch's path is the same with other last digits.

    From a start that is 1e-13 off; adding up the points in other order; and with new
    errors at every step, as rounding makes them: a run can pass a place where a small
    error of the gradient becomes a large one of the step long after its start.
    """
    nudged = torch_path(rule, name, (start[0] + 1e-13, start[1] - 1e-13), s)
    turned = torch_path(rule, name, start, s, order=-1)
    jittered = torch_path(rule, name, start, s, jitter=1e-14)
    others = (nudged, turned, jittered)
    steps = min(map(len, (wanted, *others)))
    for other in others:
        apart = np.abs(other[:steps] - wanted[:steps])
        far = apart > SPREAD * np.maximum(1, np.abs(wanted[:steps]))
        if far.any():
            steps = int(np.argmax(far.any(axis=1)))
    return steps


@pytest.mark.parametrize("name", LANDSCAPES)
def test_rules_agree_with_torch_at_any_rate_beta_and_start(call: Call, name: str):
    compared = []

    @settings(max_examples=4)
    @given(cases=st.lists(several, min_size=4, max_size=4))
    def agree(cases):
        cases = [{**case, "name": name} for case in cases]
        for case, found in zip(cases, page_paths(call, cases), strict=True):
            wanted = torch_path(**case)
            steps = len(wanted)
            try:
                assert_same_path(found, wanted)
            except AssertionError:  # is it a matter of the last digits?
                steps = steady_part(**case, wanted=wanted)
                assert_same_path(found[:steps], wanted[:steps])
            compared.append(steps)

    agree()
    assert np.mean(compared) > 20, "too few steps to say anything"


def test_a_run_that_leaves_all_bounds_ends_and_says_so(call: Call):
    ends = call(
        """(rates, all) => rates.map(rate => {
            const { path, losses, diverged } = all.run(
                'descent', all.surface('rosenbrock'), [-1, 1.5], { rate }, 200);
            return [path.length, losses.length, diverged];
        })""",
        [1e9, 1.0, 1e-4],
    )
    for path, losses, diverged in ends[:2]:
        assert diverged
        assert path == losses < 20
    assert ends[2] == [201, 201, False]


@given(st.lists(st.floats(0, 2), min_size=1, max_size=12))
@settings(max_examples=10)
def test_steps_needed_are_counted_as_in_the_chapter(call: Call, losses):
    below = [value <= 1 for value in losses]
    first = next((t for t in range(len(losses)) if all(below[t:])), math.inf)
    found = call("(losses, { stepsNeeded }) => [stepsNeeded(losses, 1)]", losses)
    assert float(found[0]) == first


# --- Minima and curvatures -----------------------------------------------------------

points = st.lists(
    st.tuples(st.floats(-10, 10), st.floats(-20, 20)),
    min_size=4,
    max_size=12,
    unique_by=lambda point: round(point[0], 1),
)


@settings(max_examples=20)
@given(cases=st.lists(points, min_size=3, max_size=3))
def test_the_best_line_is_the_best(call: Call, cases):
    columns = [tuple(zip(*case, strict=True)) for case in cases]
    found = call(
        "(cases, { best }) => cases.map(([x, y]) =>"
        " ['absolute', 'squared', 'huber'].map(cost => best(x, y, cost)))",
        columns,
    )
    rng = np.random.RandomState(0)
    for (x, y), lines in zip(columns, found, strict=True):
        inputs, targets = (torch.tensor(v, dtype=torch.float64) for v in (x, y))
        for cost, theta in zip(COSTS, lines, strict=True):
            here = COSTS[cost](theta[0] * inputs + theta[1], targets)
            for scale in (1e-3, 0.1, 1.0):
                for m, b in theta + scale * rng.randn(20, 2):
                    there = COSTS[cost](m * inputs + b, targets)
                    assert here <= there + 1e-9 * (1 + there)


def test_curvatures_are_the_eigenvalues_of_the_hessian(call: Call):
    for x in (line_data()[0], [1.0, 2.0, 4.0]):
        inputs = torch.tensor(x, dtype=torch.float64)

        def squared(theta, inputs=inputs):
            return ((theta[0] * inputs + theta[1]) ** 2).mean()

        hessian = torch.autograd.functional.hessian(
            squared, torch.zeros(2, dtype=torch.float64)
        )
        wanted = torch.linalg.eigvalsh(hessian).tolist()
        found = call("(x, { curvatures }) => curvatures(x)", x)
        assert found == pytest.approx(wanted, rel=1e-12)


# --- What single explorables compute ------------------------------------------------


@settings(max_examples=20)
@given(
    cases=st.lists(
        st.tuples(st.floats(1e-5, 1), st.floats(0.01, 100)), min_size=10, max_size=10
    )
)
def test_a_regime_says_how_a_run_behaves(call: Call, cases):
    found = call(
        "(cases, { regime }) => cases.map(([rate, c]) => regime(rate, c).name)", cases
    )
    for (rate, curvature), name in zip(cases, found, strict=True):
        theta = torch.tensor(1.0, dtype=torch.float64, requires_grad=True)
        chosen = torch.optim.SGD([theta], lr=rate)
        distances = [1.0]
        for _ in range(100):
            chosen.zero_grad()
            (curvature * theta**2 / 2).backward()
            chosen.step()
            distances.append(theta.item())
        if name == "diverging":
            assert abs(distances[1]) > 1
        else:
            assert abs(distances[1]) <= 1 + 1e-9
            assert (distances[1] < 0) == (name == "oscillating")
        if name == "creeping":
            assert distances[-1] > 0.5
        if name == "converging":
            assert distances[-1] <= 0.5


def test_brute_force_finds_what_the_chapter_finds(call: Call):
    found = call(
        """(argument, all) => {
            const landscape = all.line(argument.x, argument.y, "absolute");
            const { losses, lowest } = all.search(landscape, 60, 3600);
            return { losses: [...losses], lowest };
        }""",
        with_line(),
    )
    data = draw_line(set_seed(0))

    def value(theta):
        return loss.mean_absolute_error(theta[0] * data.x + theta[1], data.y)

    grid = loss_grid(value, axis(-2, 2, 60), axis(-2, 2, 60))
    np.testing.assert_allclose(found["losses"], grid.loss.ravel(), rtol=1e-5)
    m, b, least = grid.minimum()
    assert found["lowest"]["theta"] == pytest.approx([m, b])
    assert found["lowest"]["loss"] == pytest.approx(least, rel=1e-5)


def test_durations_are_told_in_a_unit_that_fits(call: Call):
    seconds = [2e-6, 0.1, 1, 90, 7200, 86400, 3.156e8, 4.35e20, 1e40]
    found = call("(all_, { duration }) => all_.map(duration)", seconds)
    assert found[:7] == [
        "2 microseconds",
        "100 milliseconds",
        "1 second",
        "1.5 minutes",
        "2 hours",
        "1 day",
        "10 years",
    ]
    assert found[7] == "1,000 times the age of the universe"
    assert "times the age of the universe" in found[8]


def test_an_epoch_has_every_point_once(call: Call):
    drawn = call(
        """(n, { random, minibatches }) => {
            const next = minibatches(random(7), n, 30);
            return Array.from({ length: 8 }, next);
        }""",
        100,
    )
    assert [len(batch) for batch in drawn] == [30, 30, 30, 10] * 2
    first, second = ([i for b in part for i in b] for part in (drawn[:4], drawn[4:]))
    assert sorted(first) == sorted(second) == list(range(100))
    assert first != second


def test_chance_is_even(call: Call):
    drawn = call(
        """(seed, { random, sample }) => {
            const next = random(seed), found = new Array(10).fill(0);
            for (let i = 0; i < 20000; i += 1) found[sample(next, 10, 1)[0]] += 1;
            return found;
        }""",
        3,
    )
    assert sum(drawn) == 20_000
    assert max(abs(count - 2000) for count in drawn) < 200  # 4.7 standard deviations


@pytest.mark.parametrize("cost", ["absolute", "squared"])
def test_the_gradients_of_minibatches_are_autograds(call: Call, cost: str):
    theta = [0.5, 0.3]
    found = call(
        """(argument, all) => {
            const { x, y, theta, cost } = argument;
            const landscape = all.line(x, y, cost);
            const { full, drawn } = all.draw(landscape, theta, 100, 10, 50, 1);
            const next = all.random(1);
            const batches = drawn.map(() => all.sample(next, 100, 10));
            return { full, drawn, batches };
        }""",
        with_line(theta=theta, cost=cost),
    )
    x, y = (torch.tensor(column, dtype=torch.float64) for column in line_data())

    def gradient(points) -> np.ndarray:
        place = torch.tensor(theta, dtype=torch.float64, requires_grad=True)
        COSTS[cost](place[0] * x[points] + place[1], y[points]).backward()
        return place.grad.numpy()

    full = gradient(list(range(100)))
    assert found["full"] == pytest.approx(full.tolist(), rel=1e-9)
    for drawn, batch in zip(found["drawn"], found["batches"], strict=True):
        g = gradient(batch)
        assert drawn["g"] == pytest.approx(g.tolist(), rel=1e-9, abs=1e-9)
        assert drawn["norm"] == pytest.approx(np.hypot(*g), rel=1e-9)
        cosine = g @ full / np.hypot(*g) / np.hypot(*full)
        assert math.cos(math.radians(drawn["angle"])) == pytest.approx(cosine, abs=1e-9)


def test_the_stochastic_racer_takes_the_steps_of_torch(call: Call):
    found = call(
        """(argument, all) => {
            const landscape = all.line(argument.x, argument.y, "absolute");
            const { path } = all.race(
                "stochastic", landscape, [0, 0.5], 0.003, 5, 10, 100, 200);
            const next = all.minibatches(all.random(5), 100, 10);
            return { path, batches: Array.from({ length: 200 }, next) };
        }""",
        with_line(),
    )
    x, y = (torch.tensor(column, dtype=torch.float64) for column in line_data())
    theta = torch.tensor([0.0, 0.5], dtype=torch.float64, requires_grad=True)
    chosen = torch.optim.SGD([theta], lr=0.003)
    path = [theta.tolist()]
    for batch in found["batches"]:
        chosen.zero_grad()
        value = loss.mean_absolute_error(theta[0] * x[batch] + theta[1], y[batch])
        value.backward()
        chosen.step()
        path.append(theta.tolist())
    assert_same_path(np.array(found["path"]), np.array(path))


# --- Momentum's plane ----------------------------------------------------------------


def one_step(rate: float, momentum: float, curvature: float) -> np.ndarray:
    """Return what a step of `torch.optim.SGD` makes of a place and of a velocity."""
    columns = []
    for place, velocity in ((1.0, 0.0), (0.0, 1.0)):
        theta = torch.tensor(place, dtype=torch.float64, requires_grad=True)
        chosen = torch.optim.SGD([theta], lr=rate, momentum=momentum)
        buffer = torch.tensor(velocity, dtype=torch.float64)
        chosen.state[theta]["momentum_buffer"] = buffer
        (curvature * theta**2 / 2).backward()
        chosen.step()
        columns.append([theta.item(), buffer.item()])
    return np.array(columns).T


settings_of_a_ball = st.tuples(
    st.floats(0.001, 0.5), st.floats(0.01, 0.99), st.floats(0.01, 12)
)


@settings(max_examples=10)
@given(cases=st.lists(settings_of_a_ball, min_size=12, max_size=12))
def test_a_balls_motion_is_that_of_the_eigenvalues(call: Call, cases):
    found = call("(cases, { motion }) => cases.map(c => motion(...c))", cases)
    for case, motion in zip(cases, found, strict=True):
        values = np.linalg.eigvals(one_step(*case))
        size = np.abs(values).max()
        # Two equal eigenvalues are found to half of the digits.
        assert motion["left"] == pytest.approx(size, abs=1e-6)
        if abs(size - 1) < 1e-6 or abs(values[0] - values[1]) < 1e-5:
            continue
        if motion["name"] == "diverging":
            assert size > 1
        else:
            assert size < 1
            rings = abs(values[0].imag) > 0
            assert rings == (motion["name"] == "ringing")
            if not rings:
                largest = values[np.abs(values).argmax()].real
                assert (largest > 0) == (motion["name"] == "monotone")


def test_the_best_setting_and_the_contours_of_a_ravine_are_exact(call: Call):
    ravines = [[10 / condition, 10.0] for condition in (1.5, 100, 3000)]
    shares = [0.7, 0.9, 0.95, 0.99]
    found = call(
        """([ravines, shares], { bestSetting, contour, leaves }) => ravines.map(c => {
            const { rate, momentum } = bestSetting(c);
            let lowest = Infinity;
            for (let r = 0.002; r < 0.45; r += 0.002)
                for (let m = 0; m < 1; m += 0.005)
                    lowest = Math.min(lowest, leaves(r, m, c));
            const edges = shares.map(share => {
                const line = contour(share, c);
                const middles = line.slice(1).map((to, i) =>
                    [(to[0] + line[i][0]) / 2, (to[1] + line[i][1]) / 2]);
                return [...line, ...middles.filter(([, m]) => m > 0)]
                    .map(([r, m]) => leaves(r, m, c));
            });
            return { best: leaves(rate, momentum, c), lowest, edges };
        })""",
        [ravines, shares],
    )
    for (low, high), ravine in zip(ravines, found, strict=True):
        wanted = (np.sqrt(high / low) - 1) / (np.sqrt(high / low) + 1)
        assert ravine["best"] == pytest.approx(wanted, abs=1e-6)
        assert ravine["best"] <= ravine["lowest"]
        for share, edge in zip(shares, ravine["edges"], strict=True):
            assert bool(edge) == (share >= wanted)
            assert edge == pytest.approx([share] * len(edge), abs=1e-6)


@pytest.mark.parametrize("condition", [1.0, 100.0, 2500.0])
def test_the_ball_on_a_ravine_takes_the_steps_of_torch(call: Call, condition: float):
    s = {**DEFAULTS, "rate": 0.03, "momentum": 0.85}
    found = call(
        """([condition, s], { run, ravine }) =>
            run("momentum", ravine(condition), [-9, 1], s, 100).path""",
        [condition, s],
    )
    theta = torch.tensor([-9.0, 1.0], dtype=torch.float64, requires_grad=True)
    chosen = optimizer("momentum", theta, s)
    path = [theta.tolist()]
    for _ in range(100):
        chosen.zero_grad()
        (10 / condition * theta[0] ** 2 / 2 + 5 * theta[1] ** 2).backward()
        chosen.step()
        path.append(theta.tolist())
    assert_same_path(np.array(found), np.array(path))


def test_adam_arrives_when_torch_does(call: Call):
    pairs = [[0.9, 0.999], [0.0, 0.9], [0.95, 0.95], [0.5, 0.99]]
    found = call(
        """(pairs, { arrival, surface }) => pairs.map(([beta1, beta2]) =>
            arrival(surface("ravine"), [-9, 1], { rate: 0.2, beta1, beta2 }))""",
        pairs,
    )
    for (beta1, beta2), steps in zip(pairs, found, strict=True):
        theta = torch.tensor([-9.0, 1.0], dtype=torch.float64, requires_grad=True)
        chosen = torch.optim.Adam([theta], lr=0.2, betas=(beta1, beta2))
        above = []
        for _ in range(301):
            chosen.zero_grad()
            value = surfaces.ravine(theta)
            above.append(value.item() > 0.01)
            value.backward()
            chosen.step()
        last = max((t + 1 for t, high in enumerate(above) if high), default=0)
        assert float(steps) == (last if last < 301 else math.inf)


# --- At the wall ---------------------------------------------------------------------


def walker(id_: str, start, s: dict[str, float], steps: int) -> dict[str, np.ndarray]:
    """Return the walk of PyTorch's SGD with the book's clippers on the cliff."""
    theta = torch.tensor(start, dtype=torch.float64, requires_grad=True)
    chosen = torch.optim.SGD([theta], lr=s["rate"])
    clipper = {"clipped": ClipNorm(s["threshold"]), "autoclip": AutoClip(s["p"])}
    path, norms, thresholds = [], [], []
    for _ in range(steps):
        chosen.zero_grad()
        path.append(theta.tolist())
        surfaces.cliff(theta).backward()
        norms.append(theta.grad.norm().item())
        report = clipper[id_]([theta]) if id_ in clipper else None
        thresholds.append(report.threshold if report else math.inf)
        chosen.step()
    return {
        name: np.array(v)
        for name, v in zip(
            ("path", "norm", "tau"), (path, norms, thresholds), strict=True
        )
    }


@pytest.mark.parametrize("id_", ["plain", "clipped", "autoclip"])
def test_a_walker_at_the_wall_takes_the_steps_of_the_books_clippers(call: Call, id_):
    s = {"rate": 0.1, "threshold": 0.5, "p": 10}
    compared = []
    for start in ([5.0, -2.3], [4.6, -2.25]):
        found = call(
            """([id, start, s], { walk, cliff }) => {
                const { path, met } = walk(id, cliff, start, s, 60);
                return { path, norm: met.map(m => m.norm), tau: met.map(m => m.tau) };
            }""",
            [id_, start, s],
        )
        wanted = walker(id_, start, s, 60)
        # Along the wall the last digits grow until they decide: up to there.
        nudged = walker(id_, [start[0] + 1e-13, start[1]], s, 60)
        steady = np.abs(nudged["norm"] - wanted["norm"]) < 1e-6 * (1 + wanted["norm"])
        steps = int(np.argmin(steady)) if not steady.all() else 60
        for name, values in wanted.items():
            here = np.array(
                [numbers(v) if name == "path" else float(v) for v in found[name]]
            )[:steps]
            np.testing.assert_allclose(here, values[:steps], rtol=1e-5, atol=1e-5)
        compared.append(steps)
        assert wanted["norm"].max() > 40 or id_ == "autoclip"
    assert sum(compared) > 60, "too few steps to say anything"


def test_a_norm_of_zero_is_as_for_autoclip(call: Call):
    norms = [2.0, 0.0, 1.0, 3.0, 0.0]
    found = call("(norms, { autoclip }) => autoclip(norms, 50)", norms)
    clip = AutoClip(50)
    weight = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    wanted = []
    for norm in norms:
        weight.grad = torch.tensor([norm], dtype=torch.float64)
        wanted.append(clip([weight]).threshold)
    assert numbers(found).tolist() == wanted
    assert math.inf in wanted


def test_numbers_are_not_rounded_to_what_they_are_not(call: Call):
    found = call(
        """(all_, { beside, plural }) => [
            beside(0.99998, 1), beside(1, 1), beside(0.5, 1), beside(-0.9999, -1),
            beside(99.97, 100), plural(1, "step"), plural(0, "step"),
            plural(1200, "step")]""",
        None,
    )
    assert found == [
        *("0.99998", "1", "0.5", "−0.9999"),
        *("99.97", "1 step", "0 steps", "1,200 steps"),
    ]
