"""Cases of a norm's suite come from its row of the table."""

from norms import NORMS


def pytest_generate_tests(metafunc):
    norm = NORMS.get(getattr(metafunc.cls, "norm", ""))
    if norm is None:
        return
    small, large = norm.cases(norm.shapes), norm.cases(norm.large)
    for name, found in (("case", small), ("large", large), ("any_size", small[::3] + large)):
        if name in metafunc.fixturenames:
            metafunc.parametrize(name, found, ids=str)
