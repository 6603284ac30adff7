"""Mails to users: their texts in both languages, how long they are good, when they are retried."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

RESET, INVITE, CHANGED = "RESET", "INVITE", "CHANGED"
# How long a link is good, and how long a mail is tried.
LIFETIMES: Mapping[str, timedelta] = {
    RESET: timedelta(minutes=30),
    INVITE: timedelta(days=7),
    CHANGED: timedelta(days=7),
}
LINKED = frozenset({RESET, INVITE})
RETRY_MIN = timedelta(seconds=10)
RETRY_MAX = timedelta(hours=1)
# Links that one user may have at a time, and notices that may wait; of more there are none.
OPEN_MAX = 5


@dataclass(frozen=True, slots=True)
class Letter:
    """What a mail tells; `link` sets the password, in mails of a kind with links."""

    kind: str
    language: str
    user_name: str
    login: str
    tenant_name: str
    link: str


_SUBJECTS: Mapping[tuple[str, str], str] = {
    (RESET, "en"): "Set a new password for {tenant_name}",
    (RESET, "zh"): "重置您在 {tenant_name} 的密码",
    (INVITE, "en"): "Your account at {tenant_name}",
    (INVITE, "zh"): "您在 {tenant_name} 的账号已开通",
    (CHANGED, "en"): "Your password for {tenant_name} was changed",
    (CHANGED, "zh"): "您在 {tenant_name} 的密码已更改",
}
_BODIES: Mapping[tuple[str, str], str] = {
    (RESET, "en"): """Hello {user_name},

somebody asked for a new password for your account {login} at {tenant_name}.
If it was you, set it here within 30 minutes; the link works once:

{link}

If it was not you, ignore this mail: your password stays as it is.
""",
    (RESET, "zh"): """{user_name}，您好：

有人申请重置您在 {tenant_name} 的账号 {login} 的密码。
如果是您本人操作，请在 30 分钟内通过以下链接设置新密码（链接仅可使用一次）：

{link}

如果不是您本人操作，请忽略此邮件，您的密码不会改变。
""",
    (INVITE, "en"): """Hello {user_name},

you have an account at {tenant_name}. Your login name is {login}.
Set your password here within 7 days; the link works once:

{link}
""",
    (INVITE, "zh"): """{user_name}，您好：

您在 {tenant_name} 的账号已开通，登录名为 {login}。
请在 7 天内通过以下链接设置密码（链接仅可使用一次）：

{link}
""",
    (CHANGED, "en"): """Hello {user_name},

the password of your account {login} at {tenant_name} was changed, and all sessions were ended.
If it was you, or you have asked an administrator for it, there is nothing to do.

If it was not you, tell your administrator at once.
""",
    (CHANGED, "zh"): """{user_name}，您好：

您在 {tenant_name} 的账号 {login} 的密码已更改，所有已登录的会话均已退出。
如果是您本人操作，或是您请管理员重置的，则无需处理。

如果不是您本人操作，请立即联系管理员。
""",
}


def subject_of(letter: Letter) -> str:
    """One line."""
    return _filled(_SUBJECTS, letter)


def body_of(letter: Letter) -> str:
    """Plain text."""
    return _filled(_BODIES, letter)


def retry_after(attempts: int) -> timedelta:
    """How long after the last of so many attempts the next one comes."""
    return min(RETRY_MAX, RETRY_MIN * (1 << min(attempts, 10)))


def _filled(texts: Mapping[tuple[str, str], str], letter: Letter) -> str:
    """The text with values that stay on their line, whatever a user or tenant is called."""
    values = {
        "user_name": letter.user_name,
        "login": letter.login,
        "tenant_name": letter.tenant_name,
        "link": letter.link,
    }
    plain = {name: " ".join(value.split()) for name, value in values.items()}
    return texts[letter.kind, letter.language].format_map(plain)
