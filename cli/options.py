"""Commands with many options: a frozen dataclass is their signature, so functions stay narrow."""

import inspect
from collections.abc import Callable
from dataclasses import MISSING, fields
from typing import TypeVar, get_type_hints

Options = TypeVar("Options")


def command(run: Callable[[Options], None], options: type[Options]) -> Callable[..., None]:
    """A function whose parameters are the fields of a dataclass, as typer reads them."""
    hints = get_type_hints(options, include_extras=True)

    def called(**values: object) -> None:
        run(options(**values))

    parameters = [
        inspect.Parameter(
            one.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=inspect.Parameter.empty if one.default is MISSING else one.default,
            annotation=hints[one.name],
        )
        for one in fields(options)  # type: ignore[arg-type]  # only dataclasses are given
    ]
    called.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # PEP 362
    called.__annotations__ = {one.name: one.annotation for one in parameters}
    called.__doc__ = run.__doc__
    called.__name__ = run.__name__
    return called
