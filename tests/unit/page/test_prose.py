import json

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from nbformat.v4 import new_code_cell, new_output

from descent.page import prose
from descent.page.prose import glue


@pytest.fixture
def published(monkeypatch):
    """What a notebook would get, as outputs of a cell."""
    outputs = []

    def publish(data, metadata):
        # A notebook's file is JSON: so is what a kernel sends.
        message = json.loads(json.dumps({"data": data, "metadata": metadata}))
        outputs.append(new_output("display_data", **message))

    monkeypatch.setattr(prose, "publish_display_data", publish)
    return outputs


def read(outputs):
    """What MyST-NB finds in the outputs: its own reader, not ours."""
    from myst_nb.ext.glue import extract_glue_data_cell

    cell = new_code_cell(outputs=list(outputs))
    found = dict(extract_glue_data_cell(cell))
    assert cell["outputs"] == []  # nothing is left to be shown on the page
    return {name: output["data"]["text/plain"] for name, output in found.items()}


def test_messages_are_what_myst_nb_reads(published):
    glue(
        weight=torch.tensor([-0.5], requires_grad=True),
        bias=np.float32(0.25),
        count=np.int64(3),
        word="Adam",
        loss=torch.tensor(2.0, dtype=torch.float64),
    )
    assert read(published) == {
        "weight": "-0.5",
        "bias": "0.25",
        "count": "3",
        "word": "'Adam'",
        "loss": "2.0",
    }


@given(
    number=st.one_of(st.integers(), st.floats(allow_nan=False, allow_infinity=False))
)
def test_no_digit_is_lost(number):
    outputs = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            prose,
            "publish_display_data",
            lambda data, metadata: outputs.append(
                new_output("display_data", data=data, metadata=metadata)
            ),
        )
        glue(number=number)
    text = read(outputs)["number"]
    assert type(number)(text) == number


def test_messages_are_those_of_myst_nbs_own_glue(published):
    from IPython.testing.globalipapp import start_ipython
    from myst_nb import glue as theirs

    start_ipython()
    from IPython.utils.capture import capture_output

    with capture_output() as captured:
        theirs("loss", 8.943, display=False)
    (output,) = captured.outputs
    glue(loss=8.943)
    assert published[0]["data"] == output.data
    assert published[0]["metadata"] == output.metadata


@pytest.mark.parametrize("value", [float("nan"), float("inf"), np.float32("-inf")])
def test_what_is_not_finite_is_refused(published, value):
    with pytest.raises(ValueError, match="loss must be a finite number"):
        glue(fine=1, loss=value)
    with pytest.raises(ValueError, match="loss must be a finite number"):
        glue(loss=torch.tensor(value))
    assert published == []  # all or nothing


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        np.True_,
        1j,
        [1.0],
        object(),
        {},
        torch.ones(2),
        np.ones(3),
        torch.nn.ReLU(),
    ],
)
def test_what_is_neither_a_number_nor_a_word_is_refused(published, value):
    with pytest.raises(TypeError, match="loss must be a number or a word"):
        glue(fine=1, loss=value)
    assert published == []
