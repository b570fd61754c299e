"""How a check ends, as a program: with 1 and what is wrong, or with a sentence of what is right."""

import sys
from collections.abc import Callable

from .copied import NotTested
from .terraform import TerraformFailed


def verdict(find: Callable[[], list[str]], good: str) -> None:
    """Says what `find` finds wrong, or why it could not come to its end, and then ends with 1; else says what is good."""
    try:
        wrong = find()
    except (NotTested, TerraformFailed) as failure:
        sys.exit(str(failure))
    if wrong:
        sys.exit("\n".join(wrong))
    print(good)
