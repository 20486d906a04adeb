"""Plain arithmetic in model files; it is parsed and never executed."""

import ast
import math
import operator
from collections.abc import Callable, Mapping

_OPERATORS: dict[type, Callable[..., float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
    ast.USub: operator.neg,
}
_FUNCTIONS: dict[str, Callable[[float], float]] = {"log": math.log, "exp": math.exp, "sqrt": math.sqrt}


def evaluate(expression: float | str, quantities: Mapping[str, float]) -> float:
    """Value of a number, or of plain arithmetic over named quantities; no code is executed.

    Parameters
    ----------
    expression : float or str
        A number, or numbers and names with + - * / ** and log, exp and sqrt.
    quantities : mapping of str to float
        Values of the names.

    Returns
    -------
    float
        The value.

    Raises
    ------
    ValueError
        For a name, function or syntax that is not allowed.
    ArithmeticError
        For a division by zero or an overflow.

    Examples
    --------
    >>> from bayes_grpo.models.expressions import evaluate
    >>> evaluate("0.25 * reward_range", {"reward_range": 2.0})
    0.5
    """
    if not isinstance(expression, str):
        return float(expression)
    try:
        tree = ast.parse(expression, mode="eval").body
    except SyntaxError as error:
        raise ValueError("expected a number or plain arithmetic") from error
    known = ", ".join(quantities)

    def walk(node: ast.expr) -> float:
        match node:
            case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
                return float(number)
            case ast.Name(id=name) if name in quantities:
                return float(quantities[name])
            case ast.Name(id=name):
                raise ValueError(f"unknown quantity {name!r}; known are {known}")
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
                return _OPERATORS[type(op)](walk(left), walk(right))
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return -walk(operand)
            case ast.Call(func=ast.Name(id=name), args=[argument], keywords=[]) if name in _FUNCTIONS:
                return _FUNCTIONS[name](walk(argument))
        raise ValueError(f"expected + - * / ** and {', '.join(_FUNCTIONS)} over numbers and {known}")

    value = walk(tree)
    if isinstance(value, complex) or not math.isfinite(value):
        raise ValueError(f"expected a finite number, found {value}")
    return value
