"""Mails given to an SMTP server, as far as a server without TLS may be trusted with them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.policy import SMTP

import pytest

from services.identity.domain.mail import INVITE, Letter
from services.identity.methods.mail_sender import MailSender, by_smtp

LETTER = Letter(INVITE, "zh", "王小明", "wangxm", "演示公司", "https://crm.example/#token=t")


@dataclass
class Server:
    """A server of a few words that takes one mail."""

    port: int = 0
    data: bytes = b""
    commands: list[str] = field(default_factory=list)

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 test\r\n")
        while line := await reader.readline():
            command = line.decode().split()[0].upper()
            self.commands.append(command)
            if command == "DATA":
                writer.write(b"354 go on\r\n")
                self.data = await reader.readuntil(b"\r\n.\r\n")
            writer.write(b"221 bye\r\n" if command == "QUIT" else b"250 fine\r\n")
            await writer.drain()
        writer.close()


@asynccontextmanager
async def serving() -> AsyncIterator[Server]:
    """The server on a free port."""
    server = Server()
    listener = await asyncio.start_server(server.talk, "127.0.0.1", 0)
    server.port = listener.sockets[0].getsockname()[1]
    async with listener:
        yield server


async def test_a_mail_arrives_whole() -> None:
    async with serving() as server:
        sender = MailSender("crm@demo.example", by_smtp(f"smtp://127.0.0.1:{server.port}"))
        await sender.send("id-1", "wang@demo.example", LETTER)
    message = message_from_bytes(server.data.removesuffix(b".\r\n"), policy=SMTP)
    assert message["To"] == "wang@demo.example"
    assert message["Subject"] == "您在 演示公司 的账号已开通"
    assert message["Message-ID"] == "<id-1@demo.example>"
    assert "https://crm.example/#token=t" in message.get_content()


async def test_a_password_is_sent_over_tls_only() -> None:
    async with serving() as server:
        url = f"smtp://crm:secret@127.0.0.1:{server.port}"
        with pytest.raises(OSError, match="STARTTLS"):
            await MailSender("crm@demo.example", by_smtp(url)).send("id", "a@b.example", LETTER)
    assert "AUTH" not in server.commands


async def test_a_server_that_is_away_is_an_os_error() -> None:
    async with serving() as server:
        port = server.port
    sender = MailSender("crm@demo.example", by_smtp(f"smtp://127.0.0.1:{port}"))
    with pytest.raises(OSError, match="refused"):
        await sender.send("id", "a@b.example", LETTER)


async def test_an_address_that_would_add_headers_is_refused() -> None:
    sender = MailSender("crm@demo.example", by_smtp("smtp://127.0.0.1:1"))
    with pytest.raises(ValueError, match="Header"):
        await sender.send("id", "a@b.example\r\nBcc: all@example.com", LETTER)
