"""The one exception for input that cannot be used."""

from collections.abc import Iterable


class InputError(ValueError):
    """Input that cannot be used; carries every fault found, not just the first.

    Parameters
    ----------
    where : str
        The file, model or option the faults belong to.
    faults : str or iterable of str
        One sentence a fault: the field, what was expected, what was found, the cure.

    Notes
    -----
    The command line prints the message without a traceback and exits with code 2.
    """

    def __init__(self, where: str, faults: str | Iterable[str]) -> None:
        self.where = where
        self.faults = [faults] if isinstance(faults, str) else list(faults)
        if len(self.faults) == 1:
            message = f"{where}: {self.faults[0]}"
        else:
            listed = "\n".join(f"  - {fault}" for fault in self.faults)
            message = f"{where}: {len(self.faults)} faults\n{listed}"
        super().__init__(message)

    def __reduce__(self) -> tuple[type["InputError"], tuple[str, list[str]]]:
        """How it is pickled, on its way from a process to another."""
        return type(self), (self.where, self.faults)
