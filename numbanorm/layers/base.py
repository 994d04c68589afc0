"""What every layer is: parameters, their gradients, a mode, and a state to save and load."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from numbanorm import _checks, _memory

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self

    from numpy.typing import ArrayLike, NDArray


class Layer:
    """A layer: call it for y, then its `backward` for dx.

    Attributes
    ----------
    training : bool
        The mode, which `train` and `eval` set.
    weight, bias : ndarray or None
        The parameters; None where they are switched off.
    """

    # Names of all arrays a layer may have, in the order of torch's state_dict.
    _state: ClassVar[tuple[str, ...]] = ("weight", "bias")

    training: bool
    weight: NDArray[Any] | None
    bias: NDArray[Any] | None

    def __init__(self) -> None:
        self.training = True
        self._saved: tuple[Any, ...] | None = None
        self._gradients: dict[str, NDArray[Any]] = {}

    def backward(self, dy: ArrayLike) -> NDArray[Any]:
        """Return the gradient of the last call's x, given that of its result.

        The gradients of the parameters are then in `gradients`. The x and the parameters of that
        call were not copied: they must not have been changed since.

        Parameters
        ----------
        dy : array_like, x's shape and dtype
            The gradient of y, in any strides.

        Returns
        -------
        dx : ndarray, x's shape and dtype
            The gradient of x.

        Raises
        ------
        RuntimeError
            If the layer has not been called.
        ValueError, TypeError
            If dy's shape or dtype is wrong.
        """
        saved = _checks.called(self._saved, type(self).__name__)
        dx, dweight, dbias = self._backward(dy, *saved)
        found = {"weight": dweight, "bias": dbias}
        self._gradients = {name: found[name] for name in self.parameters()}
        return dx

    def _backward(
        self, dy: ArrayLike, *saved: Any
    ) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        """Return the gradients of x, weight and bias, from what a call saved: each layer's own."""
        raise NotImplementedError

    def parameters(self) -> dict[str, NDArray[Any]]:
        """Return the parameters themselves, keyed "weight" and "bias"; those switched off lack."""
        pairs = (("weight", self.weight), ("bias", self.bias))
        return {name: value for name, value in pairs if value is not None}

    def gradients(self) -> dict[str, NDArray[Any]]:
        """Return the parameters' gradients from the last `backward`, with the same keys.

        Empty before the first one. Each `backward` makes new arrays; it does not add to the old.
        """
        return dict(self._gradients)

    def train(self, mode: bool = True) -> Self:
        """Set training mode, or inference if mode is false; returns the layer."""
        self.training = bool(mode)
        return self

    def eval(self) -> Self:
        """Set inference mode; returns the layer."""
        return self.train(False)

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """Return the layer's arrays themselves, under torch's names in torch's order."""
        arrays = ((name, getattr(self, name)) for name in self._state)
        return {name: value for name, value in arrays if value is not None}

    def load_state_dict(self, state_dict: Mapping[str, ArrayLike]) -> None:
        """Copy saved values into the layer's arrays: all of them or, if broken off, none.

        Parameters
        ----------
        state_dict : mapping of str to array_like
            What `state_dict` of such a layer gives, here or in torch. As in torch,
            ``num_batches_tracked`` may be missing.

        Raises
        ------
        ValueError
            If a name is missing or unknown, or a shape is wrong. Nothing has been loaded then.
        TypeError
            If a value is not of real numbers. Nothing has been loaded then.
        """
        own = self.state_dict()
        _checks.state_names(state_dict, own, optional="num_batches_tracked")
        values = {
            name: _checks.state_value(name, state_dict[name], own[name].shape)
            for name in own
            if name in state_dict
        }
        _memory.replace([(own[name], value) for name, value in values.items()])
