"""What every layer is: parameters, their gradients, a mode, and a state to save and load."""

from __future__ import annotations

import copy as copying
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np

from numbanorm.calls import checks, memory
from numbanorm.layers import checks as rules

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self

    from numpy.typing import ArrayLike, DTypeLike, NDArray


class IncompatibleKeys(NamedTuple):
    """The keys in which a state and a layer differ, as `Layer.load_state_dict` returns them.

    Attributes
    ----------
    missing_keys : list of str
        Those of arrays that were not loaded.
    unexpected_keys : list of str
        Those that belong to no array of the layer.
    """

    missing_keys: list[str]
    unexpected_keys: list[str]


class Layer:
    """A layer: call it for y, then its `backward` for dx.

    Attributes
    ----------
    training : bool
        The mode, which `train` and `eval` set.
    save_for_backward : bool or None
        Whether a call keeps what `backward` needs, x among it. None, as at first, does so in
        training mode only. It is kept until a `backward`, and is no part of a copy or a pickle.
    weight, bias : ndarray or None
        The parameters; None where they are switched off.
    """

    # Names of all arrays a layer may have, in the order of torch's state_dict.
    _state: ClassVar[tuple[str, ...]] = ("weight", "bias")

    # What a call and a `backward` leave behind; the rest is what is copied and pickled.
    _passing: ClassVar[tuple[str, ...]] = ("_saved", "_gradients")

    training: bool
    # Also what layers have that were pickled before there was the attribute.
    save_for_backward: bool | None = None
    dtype: np.dtype[Any]
    weight: NDArray[Any] | None
    bias: NDArray[Any] | None

    def __init__(self) -> None:
        self.training = True
        self._forget()

    def _forget(self) -> None:
        self._saved: tuple[Any, ...] | None = None
        self._gradients: dict[str, NDArray[Any]] = {}

    def __getstate__(self) -> dict[str, Any]:
        """Return what is copied and pickled: all but the last call's data and its gradients."""
        return {key: value for key, value in vars(self).items() if key not in self._passing}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take what `__getstate__` gave, here or in version 0.1, which gave the data too."""
        kept = {key: value for key, value in state.items() if key not in self._passing}
        vars(self).update(kept)
        self._forget()

    def _saves(self) -> bool:
        """Return whether calls save what `backward` needs."""
        saves = self.save_for_backward
        return self.training if saves is None else bool(saves)

    def backward(self, dy: ArrayLike) -> NDArray[Any]:
        """Return the gradient of the x of the last call that saved it, given that of its result.

        The gradients of the parameters are then in `gradients`, and x is no longer kept. The x and
        the parameters of that call were not copied: they must not have been changed since.

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
            If no call has saved its x since the last `backward`. For a layer that is called several
            times before, use the functions, like `numbanorm.batch_norm_backward`.
        ValueError, TypeError
            If dy's shape or dtype is wrong. The call is then still there to be differentiated.
        """
        saved = rules.called(self._saved, type(self).__name__)
        dx, dweight, dbias = self._backward(dy, *saved)
        found = {"weight": dweight, "bias": dbias}
        self._gradients = {name: found[name] for name in self.parameters()}
        self._saved = None
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
        They are of the layer's dtype, or float32 where x has 16 bits.
        """
        return dict(self._gradients)

    def train(self, mode: bool = True) -> Self:
        """Set training mode, or inference if mode is false; returns the layer."""
        self.training = bool(mode)
        return self

    def eval(self) -> Self:
        """Set inference mode; returns the layer."""
        return self.train(False)

    def astype(self, dtype: DTypeLike) -> Self:
        """Return a copy of the layer whose arrays, and whose inputs, are of another dtype.

        Parameters
        ----------
        dtype : dtype_like
            float16, bfloat16, float32 or float64.

        Returns
        -------
        Layer
            Of the same class, mode and options.

        Raises
        ------
        TypeError
            If it is another dtype.

        Examples
        --------
        >>> import numbanorm as nbn
        >>> nbn.LayerNorm(3).astype("float64").weight
        array([1., 1., 1.])
        """
        kind = checks.dtype(dtype)
        new = copying.deepcopy(self)
        for name, value in new.state_dict().items():
            if value.dtype == self.dtype:
                setattr(new, name, value.astype(kind))
        new.dtype = kind
        return new

    def state_dict(self, prefix: str = "", copy: bool = False) -> dict[str, NDArray[Any]]:
        """Return the layer's arrays, under torch's names in torch's order.

        Parameters
        ----------
        prefix : str
            What each name begins with, as of a layer in a model: ``"features.0."``.
        copy : bool
            Whether to return copies, that later training does not change, not the arrays
            themselves.

        Returns
        -------
        dict of str to ndarray
        """
        arrays = ((name, getattr(self, name)) for name in self._state)
        return {
            prefix + name: value.copy() if copy else value
            for name, value in arrays
            if value is not None
        }

    def load_state_dict(
        self, state_dict: Mapping[str, ArrayLike], strict: bool = True, prefix: str = ""
    ) -> IncompatibleKeys:
        """Copy saved values into the layer's arrays: all of them or, if broken off, none.

        Parameters
        ----------
        state_dict : mapping of str to array_like
            What `state_dict` of such a layer gives, here or in torch, of any real dtype. As in
            torch, ``num_batches_tracked`` may be missing.
        strict : bool
            Whether keys that are missing, or belong to nothing, are an error; else what there is
            gets loaded.
        prefix : str
            What the layer's keys begin with. Others, of other layers of a model, are passed over.

        Returns
        -------
        IncompatibleKeys
            The missing and the unexpected keys; empty if strict.

        Raises
        ------
        ValueError
            If keys are missing or unexpected, a shape is wrong, a variance or a count negative, or
            an array of the layer read-only. Nothing has been loaded then.
        TypeError
            If a value is not of real numbers. Nothing has been loaded then.
        """
        own = self.state_dict(prefix)
        optional = f"{prefix}num_batches_tracked"
        missing = [key for key in own if key not in state_dict and key != optional]
        unexpected = [key for key in state_dict if key.startswith(prefix) and key not in own]
        if strict:
            rules.state_keys(own, missing, unexpected)
        loaded = [
            (array, rules.state_value(key, key[len(prefix) :], state_dict[key], array))
            for key, array in own.items()
            if key in state_dict
        ]
        memory.replace(loaded)
        return IncompatibleKeys(missing, unexpected)
