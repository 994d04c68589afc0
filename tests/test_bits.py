"""The bits of all results are those of `bits.json`; see `bits`."""

import bits
import pytest

KNOWN = bits.known()


@pytest.mark.parametrize("case", bits.CASES, ids="/".join)
def test_bits_are_what_they_were(case):
    view, dtype, data = case
    assert bits.digests(*case) == KNOWN[view][f"{dtype} {data}"]


def test_the_table_has_no_entry_of_no_case():
    cases = {(view, f"{dtype} {data}") for view, dtype, data in bits.CASES}
    assert cases == {(view, kind) for view, kinds in KNOWN.items() for kind in kinds}
