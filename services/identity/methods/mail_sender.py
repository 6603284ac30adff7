"""Where mails go: into a folder (local runs and tests), or to an SMTP server."""

import asyncio
import smtplib
import ssl
from collections.abc import Callable
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, localtime
from pathlib import Path
from urllib.parse import unquote, urlsplit

from services.identity.domain.mail import Letter, body_of, subject_of

TIMEOUT_S = 15.0
Deliver = Callable[[str, EmailMessage], None]


class MailSender:
    """Writes mails and has them delivered off the event loop; raises OSError or ValueError when
    that fails.
    """

    def __init__(self, from_address: str, deliver: Deliver) -> None:
        self._from = from_address
        self._deliver = deliver

    async def send(self, mail_id: str, address: str, letter: Letter) -> None:
        """Send one mail; its Message-ID is the same however often it is sent."""
        message = EmailMessage(policy=SMTP)
        message["From"] = self._from
        message["To"] = address
        message["Subject"] = subject_of(letter)
        message["Date"] = format_datetime(localtime())
        message["Message-ID"] = f"<{mail_id}@{self._from.rpartition('@')[2]}>"
        message["Content-Language"] = letter.language
        # What answers mails by itself leaves these alone (RFC 3834).
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(body_of(letter))
        await asyncio.to_thread(self._deliver, mail_id, message)


def into_folder(folder: Path) -> Deliver:
    """Writes each mail to a file of its own, whole or not at all."""

    def deliver(mail_id: str, message: EmailMessage) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        scratch = folder / f"{mail_id}.part"
        scratch.write_bytes(message.as_bytes())
        scratch.replace(folder / f"{mail_id}.eml")

    return deliver


def by_smtp(url: str) -> Deliver:
    """Gives each mail to a server: smtps://user:password@host:port, or smtp:// with STARTTLS where
    the server offers it; a password is sent over TLS only.
    """
    parts = urlsplit(url)
    host, user, password = parts.hostname or "", parts.username, parts.password
    kind = smtplib.SMTP_SSL if parts.scheme == "smtps" else smtplib.SMTP

    def deliver(_mail_id: str, message: EmailMessage) -> None:
        with kind(host, parts.port or 0, timeout=TIMEOUT_S) as server:
            server.ehlo_or_helo_if_needed()
            if kind is smtplib.SMTP and (user or server.has_extn("starttls")):
                server.starttls(context=ssl.create_default_context())
            if user:
                server.login(unquote(user), unquote(password or ""))
            server.send_message(message)

    return deliver
