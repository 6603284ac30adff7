"""Forms that would fill the memory are refused."""

from collections.abc import AsyncIterator

import pytest

from chassis.errors import InvalidArgument
from services.gateway.multipart import HEADER_MAX_BYTES, FormReader

PIECE = b"x" * 1024


@pytest.mark.parametrize("begin", [b"X-", b"X-Long: ", b"Content-Disposition: form-data; name="])
async def test_an_endless_header_ends_the_form(begin: bytes) -> None:
    sent = 0

    async def stream() -> AsyncIterator[bytes]:
        nonlocal sent
        yield b"--b\r\n" + begin
        while sent < 100 * HEADER_MAX_BYTES:
            sent += len(PIECE)
            yield PIECE

    reader = FormReader("multipart/form-data; boundary=b")
    with pytest.raises(InvalidArgument) as caught:
        async for _ in reader.events(stream()):
            pass
    assert caught.value.reason == "INVALID_MULTIPART"
    assert sent <= HEADER_MAX_BYTES + 2 * len(PIECE)
