"""Names for the shapes of arrays: signatures state them, and the tests check them at every call.

A dimension that has a name is the same wherever it stands in one signature: ``n`` counts the rows of a run's grid,
``draws`` posterior draws. ``...`` stands for any shape.
"""

from collections.abc import Sequence

import numpy as np
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Float, Real

#: One number, as an array.
Scalar = Float[Array, ""]
#: A number in each row.
Rows = Float[Array, " n"]
#: A number, or an array of some shape that others are broadcast against.
Operand = Real[ArrayLike, "..."]
#: The same or a list, for functions that make arrays of their arguments.
Numbers = Operand | Sequence[float]
#: An array of some shape, of JAX or of NumPy.
Values = Float[Array, "..."]
Floats = Float[np.ndarray, "..."]
