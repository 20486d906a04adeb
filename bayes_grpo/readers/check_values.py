"""Values of the columns that were chosen: text is a fault there, and so are rewards that may be read in two ways."""

import numpy as np

from bayes_grpo.errors import InputError
from bayes_grpo.readers.choose_columns import Chosen
from bayes_grpo.readers.gather_columns import MOST_FAULTS, Table
from bayes_grpo.readers.log import Options


def check_numbers(where: str, table: Table, chosen: Chosen) -> None:
    """Fault text in the columns that were chosen; of those chosen by their words it is left out.

    Raises
    ------
    InputError
        Naming the cells that are no numbers.
    """
    faults = []
    faulty = 0
    for variable, column in list(chosen.columns.items()):
        if column not in table.numbers or not table.numbers[column].faults:
            continue
        if variable in chosen.by_words:
            del chosen.columns[variable]
            continue
        faulty += table.numbers[column].faulty
        for row, cell in table.numbers[column].faults.items():
            text = cell.strip("'\" ")
            comma = text.count(",") == 1 and text.replace(",", "").lstrip("+-").isdigit()
            hint = "; decimals need a point" if comma else ""
            faults.append(f"row {row + 1}, {column}: expected a number, found {cell}{hint}")
    if faults:
        raise InputError(where, faults[:MOST_FAULTS], faulty)


def check_commas(where: str, table: Table, chosen: Chosen, options: Options) -> None:
    """Refuse a reward whose commas may be of thousands or decimal ones, as where all are of the form 1,210.

    Raises
    ------
    InputError
        Unless the user states the column.
    """
    column = chosen.columns["reward"]
    numbers = table.numbers.get(column)
    if numbers is None or not numbers.unclear or column == options.reward_column:
        return
    held = table.arrays[column][np.isfinite(table.arrays[column])]
    large = np.abs(held) >= 1000
    if numbers.unclear < held.size and not (np.mod(held, 1) != 0)[~large].any():
        return  # whole numbers below 1,000 beside larger ones, or ones with a point
    raise InputError(
        where,
        f"{column}: expected numbers whose commas can be told, found {numbers.example}, which may be "
        f"{numbers.example.replace(',', '')} or {numbers.example.replace(',', '.')}; state --reward-column {column!r} "
        "where commas are of thousands, or write decimals with a point",
    )
