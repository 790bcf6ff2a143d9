"""Pictures of pages: as small as they can be without looking otherwise."""

import base64
import io
import re

import numpy as np
import pytest
from matplotlib import pyplot as plt
from PIL import Image

from pictures import shrink_rasters

RASTER = re.compile(r'"data:image/png;base64,([^"]+)"')


def drawn(values: np.ndarray, **options) -> str:
    """Return the SVG of a map."""
    figure, ax = plt.subplots()
    ax.imshow(values, **options)
    file = io.StringIO()
    figure.savefig(file, format="svg")
    plt.close(figure)
    return file.getvalue()


def map_of(svg: str) -> np.ndarray:
    (data,) = RASTER.findall(svg)
    with Image.open(io.BytesIO(base64.b64decode(data))) as image:
        return np.asarray(image.convert("RGBA")).astype(int)


def test_a_map_is_halved_and_looks_the_same():
    x, y = np.meshgrid(np.linspace(-2, 2, 200), np.linspace(-2, 2, 200))
    before = drawn(np.hypot(x, y) + 0.1 * np.sin(9 * x))
    after = shrink_rasters(before)
    assert len(RASTER.findall(after)[0]) < 0.5 * len(RASTER.findall(before)[0])
    assert np.abs(map_of(after) - map_of(before)).max() <= 8  # of 255
    assert RASTER.sub("", after) == RASTER.sub("", before)
    assert shrink_rasters(after) == after


@pytest.mark.parametrize("case", ["no map", "see-through"])
def test_what_would_lose_something_stays_as_it_is(case: str):
    alpha = 0.5 if case == "see-through" else None
    svg = drawn(np.arange(100.0).reshape(10, 10), alpha=alpha)
    if case == "no map":
        svg = RASTER.sub('"map.png"', svg)
    assert shrink_rasters(svg) == svg
