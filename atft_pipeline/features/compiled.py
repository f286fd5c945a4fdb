"""Functions compiled to machine code.

Compiled functions stand in files of their own that are imported when they are first needed: to load numba takes half
a second, which no one who only reads the contract shall pay. The machine code is kept beside the file (or in the
user's cache, or nowhere), with the time and size of that one file as its version; so a compiled function calls
compiled functions of its own file only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

import numba

F = TypeVar("F", bound=Callable[..., object])


def compiled(function: F) -> F:
    """The function as machine code: strict floating point, 0/0 = NaN as in numpy, other threads run meanwhile."""
    try:
        made = numba.njit(function, cache=True, nogil=True, error_model="numpy")
    except RuntimeError:  # no folder can be written to: each process compiles for itself
        made = numba.njit(function, nogil=True, error_model="numpy")
    return cast(F, made)
