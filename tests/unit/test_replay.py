"""Every field of every request that users may send has a strategy in the replays of others' ids."""

from chassis.codec import fields as codec_fields
from tests.integration.security.replay import planted, request_type, user_methods
from tests.integration.security.strategy import (
    BY_FIELD,
    BY_NAME,
    NEVER,
    PLAIN,
    Belongings,
    IdPath,
    leaves,
    strategy_of,
)

OTHERS = Belongings(
    ids=[NEVER], operations=[f"sales-{NEVER}"], files=["f" * 40], tokens=["t" * 40],
    names=["aa_text"], texts=["Customer aa"], taken={"login": "uaa"}, etags=['"8"'],
    reference="bb_reference",
)  # fmt: skip


def paths() -> list[tuple[str, IdPath]]:
    """Every field that can hold text, of every method for users."""
    methods = {method for _, method in user_methods()}
    return [
        (method, path)
        for method in sorted(methods)
        for path in leaves(codec_fields.descriptor_of(request_type(method)))
    ]


def test_every_field_has_a_strategy() -> None:
    unknown = {path[-1].full_name for _, path in paths() if strategy_of(path[-1]) is None}
    assert not unknown, f"say in strategy.py what these may bear: {sorted(unknown)}"


def test_every_row_is_of_a_field() -> None:
    names = {path[-1].name for _, path in paths()}
    full = {path[-1].full_name for _, path in paths()} | {"crm.chassis.v1.FileChunk.data"}
    assert not (PLAIN | set(BY_NAME)) - names - {"file_name"}
    assert not set(BY_FIELD) - full


def test_every_value_can_be_put_where_it_is_tried() -> None:
    for method, path in paths():
        strategy = strategy_of(path[-1])
        assert strategy is not None
        for probe in strategy(OTHERS, path[-1]):
            for value in (probe.value, probe.blank):
                message = planted(request_type(method)(), path, value)
                assert message.ByteSize() > 0, f"{method} {value}"
