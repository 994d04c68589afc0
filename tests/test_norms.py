"""All norms of the table, on drawn shapes."""

import cases
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from norm_suite import check, inputs
from norms import NORMS


@pytest.mark.parametrize("name", NORMS)
@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_drawn_shapes(name, data):
    norm = NORMS[name]
    case = data.draw(norm.drawn())
    dtype = data.draw(st.sampled_from(cases.DTYPES))
    which = data.draw(st.sampled_from(["both", "weight", "bias", "neither"]))
    check(norm, case, *inputs(norm, case, dtype, which=which))
