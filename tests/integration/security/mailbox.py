"""The mails that a platform of tests has sent."""

import asyncio
import email
import re
import time
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path

TOKEN = re.compile(r"https?://\S+#token=(\S+)")


@dataclass(frozen=True)
class Mail:
    """One mail: its subject, its text and the token in its link, "" without one."""

    subject: str
    text: str
    token: str


async def mails_to(
    folder: Path, address: str, count: int = 1, *, linked: bool = True
) -> list[Mail]:
    """The mails with links to an address, or those without, once there are so many; AssertionError
    after half a minute: what another test has asked for goes first.
    """
    deadline = time.monotonic() + 30
    while True:
        mails = [_read(message) for message in _all(folder) if message["To"] == address]
        found = [one for one in mails if bool(one.token) is linked]
        if len(found) >= count:
            return found
        assert time.monotonic() < deadline, f"{len(found)} mails to {address}, not {count}"
        await asyncio.sleep(0.1)


def _all(folder: Path) -> list[EmailMessage]:
    messages = []
    for path in sorted(folder.glob("*.eml")):
        message = email.message_from_bytes(path.read_bytes(), policy=SMTP)
        assert isinstance(message, EmailMessage)
        messages.append(message)
    return messages


def _read(message: EmailMessage) -> Mail:
    text = message.get_content()
    found = TOKEN.search(text)
    return Mail(str(message["Subject"]), text, found[1] if found else "")
