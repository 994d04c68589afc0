"""Types of the public functions' arguments."""

from typing import Any, Literal

from numpy.typing import ArrayLike, NDArray

Layout = Literal["NCHW", "NHWC"]
Array = NDArray[Any]
Given = ArrayLike | None
