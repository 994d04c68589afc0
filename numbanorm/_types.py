"""Types of the public functions' arguments and results."""

from typing import Any, Literal

from numpy.typing import ArrayLike, NDArray

# The names are for editors to offer: a variable of type str may hold one of them.
Layout = Literal["NCHW", "NHWC"] | str
Array = NDArray[Any]
Given = ArrayLike | None
WithStats = tuple[Array, Array, Array]
