"""What callers read, in English and Chinese, by reason; `{name}` is a value of the metadata."""

import re
from collections.abc import Mapping

from services.gateway import chinese

ENGLISH, CHINESE = "en", "zh"
LANGUAGES = {ENGLISH: 0, CHINESE: 1}

TITLES: Mapping[int, tuple[str, str]] = {
    400: ("Invalid request", "请求无效"),
    401: ("Not signed in", "未登录"),
    403: ("Not allowed", "没有权限"),
    404: ("Not found", "未找到"),
    405: ("Method not allowed", "不支持的请求方法"),
    408: ("Request timeout", "请求超时"),
    409: ("Conflict", "冲突"),
    412: ("Changed meanwhile", "记录已被修改"),
    413: ("Too large", "内容过大"),
    415: ("Unsupported media type", "不支持的内容类型"),
    422: ("Key used before", "幂等键已被使用"),
    429: ("Too many requests", "请求过于频繁"),
    500: ("Internal error", "内部错误"),
    501: ("Not implemented", "尚未实现"),
    503: ("Unavailable", "服务暂不可用"),
    504: ("Took too long", "处理超时"),
}

DETAILS: Mapping[str, tuple[str, str]] = {
    "BULK_COUNT_CHANGED": (
        "There are {count} records, not {expected_count}; nothing was changed.",
        "符合条件的记录有 {count} 条，而不是 {expected_count} 条；未做任何更改。",
    ),
    "BULK_TOO_LARGE": (
        "At most {records_max} records can be changed at once.",
        "一次最多可更改 {records_max} 条记录。",
    ),
    "DEPARTMENT_EMPTY": (
        "Nobody works in this department who could take the records over.",
        "该部门没有可以接收记录的在职人员。",
    ),
    "EXPORT_TOO_LARGE": (
        "A file may have at most {rows_max} rows; narrow the filter.",
        "一个文件最多 {rows_max} 行，请缩小筛选范围。",
    ),
    "OPERATION_NOT_UNDOABLE": (
        "The operation cannot be undone: {why}",
        "该操作无法撤销：{why}",
    ),
    "OPERATION_STUCK": (
        "The operation made no progress in many attempts.",
        "该操作多次尝试后仍无进展。",
    ),
    "OPERATIONS_MAX": (
        "Too many operations of your company wait already.",
        "贵公司等待中的操作过多。",
    ),
    "RESULT_EXPIRED": (
        "The file was kept for seven days; export again.",
        "文件仅保留七天，请重新导出。",
    ),
    "RESULT_NOT_FOUND": (
        "The operation has no result file.",
        "该操作没有结果文件。",
    ),
    "TRANSFER_INCOMPLETE": (
        "Not all {resource} were moved: {why}",
        "{resource} 未能全部移交：{why}",
    ),
    "BODY_TIMEOUT": ("The body did not arrive in time.", "请求内容未能及时到达。"),
    "BODY_TOO_LARGE": (
        "The body is longer than {limit_bytes} bytes.",
        "请求内容超过 {limit_bytes} 字节。",
    ),
    "ATTEMPTS_EXHAUSTED": (
        "Too many attempts have failed. Try again in {retry_after_s} seconds.",
        "失败次数过多，请在 {retry_after_s} 秒后重试。",
    ),
    "DEADLINE_EXCEEDED": (
        "The answer took too long. A change may have been made: look, or repeat with the same key.",
        "处理时间过长。更改可能已经生效：请先查看，或使用同一幂等键重试。",
    ),
    "DEPARTMENT_NOT_IN_SCOPE": (
        "You may not do this in this department.",
        "您不能在该部门执行此操作。",
    ),
    "ETAG_MISMATCH": (
        "Someone has changed the record meanwhile. Read it again, then repeat your change.",
        "记录已被他人修改。请重新读取后再提交更改。",
    ),
    "GRANT_BEYOND_OWN": (
        "You do not have the right to {verb} {resource} as widely yourself.",
        "您自己没有同等范围的 {resource} {verb} 权限。",
    ),
    "HEAD_INVALID": (
        "The request line or a header is malformed, or they are longer than {limit_bytes} bytes.",
        "请求行或请求头格式有误，或总长超过 {limit_bytes} 字节。",
    ),
    "IDEMPOTENCY_IN_FLIGHT": (
        "A request with the same idempotency key is still being worked on.",
        "使用同一幂等键的请求仍在处理中。",
    ),
    "IDEMPOTENCY_KEY_REUSED": (
        "The idempotency key was used before with another body.",
        "该幂等键已用于内容不同的请求。",
    ),
    "INTERNAL": (
        "Something went wrong on our side. It has been recorded under the request id.",
        "我们这边出了问题，已按请求编号记录。",
    ),
    "SECRETS_EXHAUSTED": (
        "A client has at most {limit} secrets; remove one first.",
        "一个客户端最多有 {limit} 个密钥，请先移除一个。",
    ),
    "SECRET_NOT_FOUND": ("The client has no such secret.", "该客户端没有此密钥。"),
    "METHOD_NOT_OPEN": (
        "This is for people who have signed in, not for programs.",
        "此操作仅供已登录的用户使用，不对程序开放。",
    ),
    "CREDENTIALS_INVALID": (
        "Name or password is wrong.",
        "名称或密码错误。",
    ),
    "INVALID_FIELDS": ("Some fields are not right.", "部分字段有误。"),
    "INVALID_HEADER": (
        "The header {header} may come once, with up to 255 printable ASCII characters.",
        "请求头 {header} 只能出现一次，且最多 255 个可打印 ASCII 字符。",
    ),
    "INVALID_JSON": (
        "The body is not valid JSON: {problem}.",
        "请求内容不是有效的 JSON：{problem}。",
    ),
    "INVALID_MULTIPART": (
        "The form is broken: {problem}.",
        "表单内容不完整或有误：{problem}。",
    ),
    "INVALID_PATH": (
        "The path holds characters that are not allowed.",
        "路径包含不允许的字符。",
    ),
    "INVALID_QUERY": ("The query of the address is not right.", "地址中的查询参数有误。"),
    "LAST_ADMINISTRATOR": (
        "Nobody would be left to administer all users. Make somebody else administrator first.",
        "此操作会使系统没有可管理全部用户的管理员，请先指定其他管理员。",
    ),
    "LOG_NOT_INTACT": (
        "The operation log is not intact: verify it.",
        "操作日志不完整：请先进行校验。",
    ),
    "LOG_ROOT_PENDING": (
        "No signed root covers the entry yet; try again in a minute.",
        "该条日志尚未被签名根覆盖，请一分钟后再试。",
    ),
    "METHOD_NOT_ALLOWED": (
        "This path takes only: {allowed}.",
        "该路径只支持：{allowed}。",
    ),
    "NOT_FOUND": (
        "There is no such record, or you may not see it.",
        "记录不存在，或您无权查看。",
    ),
    "OPERATION_NOT_FOUND": ("There is no such operation.", "没有这个操作。"),
    "ORGANISATION_CYCLE": (
        "Nothing in the organisation can be above itself.",
        "组织中的任何人或部门都不能成为自己的上级。",
    ),
    "ORGANISATION_TOO_DEEP": (
        "The organisation has at most {levels_max} levels.",
        "组织层级最多 {levels_max} 级。",
    ),
    "OVERLOADED": ("There are too many requests just now.", "当前请求过多。"),
    "OWNER_NOT_IN_SCOPE": (
        "You may not create records for this owner.",
        "您不能为该负责人创建记录。",
    ),
    "PARTNER_COMPANY_NESTED": (
        "A partner company cannot lie in another one.",
        "合作伙伴公司不能位于另一个合作伙伴公司之内。",
    ),
    "PASSWORDS_BUSY": (
        "Too many people sign in just now. Wait a moment.",
        "当前登录人数过多，请稍候。",
    ),
    "PASSWORD_CHANGE_REQUIRED": (
        "Change your one-time password first.",
        "请先修改一次性密码。",
    ),
    "PASSWORD_EXPIRED": (
        "The one-time password has expired. Ask your administrator for another one.",
        "一次性密码已过期，请联系管理员重新获取。",
    ),
    "PERMISSION_DENIED": (
        "Your roles do not allow you to {verb} {resource}.",
        "您的角色不允许对 {resource} 执行 {verb}。",
    ),
    "RATE_LIMITED": (
        "Your company has sent too many requests. Wait a moment.",
        "贵公司的请求过于频繁，请稍候。",
    ),
    "ROUTE_NOT_FOUND": ("There is nothing at this path.", "该路径不存在。"),
    "SECOND_FACTOR_ENROLMENT_REQUIRED": (
        "Your company asks for a second factor. Set one up first.",
        "贵公司要求启用双重验证，请先完成设置。",
    ),
    "SECOND_FACTOR_EXISTS": (
        "You have a second factor already. Remove it first.",
        "您已启用双重验证，请先将其移除。",
    ),
    "SECOND_FACTOR_INVALID": (
        "The code is wrong, or it was used before.",
        "验证码错误或已被使用。",
    ),
    "SECOND_FACTOR_NOT_ENROLLED": (
        "Begin with a new secret for your authenticator first.",
        "请先为验证器生成新的密钥。",
    ),
    "SECOND_FACTOR_REQUIRED": (
        "Send the code of your authenticator, too.",
        "请同时提供验证器中的验证码。",
    ),
    "STREAMS_EXHAUSTED": (
        "Your company has {limit} live streams open, which is the most.",
        "贵公司已打开 {limit} 个实时连接，已达上限。",
    ),
    "TENANT_REQUIRED": (
        "Name the company that you sign in to.",
        "请填写要登录的企业。",
    ),
    "TOKEN_INVALID": (
        "The access token is not valid any more. Sign in again.",
        "访问令牌已失效，请重新登录。",
    ),
    "TOKEN_MISSING": (
        "Send an access token: Authorization: Bearer <token>.",
        "请提供访问令牌：Authorization: Bearer <token>。",
    ),
    "UNAVAILABLE": (
        "A part of the system does not answer just now. Repeat in a moment.",
        "系统的一部分暂时没有响应，请稍后重试。",
    ),
    "UNIMPLEMENTED": ("This is not offered yet.", "尚未提供此功能。"),
    "UNSUPPORTED_ENCODING": ("Bodies must not be compressed.", "请求内容不得压缩。"),
    "USER_IS_CALLER": ("You cannot delete your own account.", "不能删除自己的账号。"),
    "USER_WITHOUT_EMAIL": (
        "The user has no e-mail address.",
        "该用户没有电子邮件地址。",
    ),
    "UNSUPPORTED_MEDIA_TYPE": (
        "The body must be of the type that this path takes.",
        "请求内容类型不受该路径支持。",
    ),
}


def preferred_language(accept_language: str) -> str:
    """The language ("zh" or "en") that an Accept-Language value puts first; English if neither."""
    best, best_weight = ENGLISH, 0.0
    for part in accept_language[:1000].lower().split(","):
        tag, _, parameter = part.strip().partition(";")
        language = tag.strip().partition("-")[0]
        weight = _weight(parameter)
        if language in LANGUAGES and weight > best_weight:
            best, best_weight = language, weight
    return best


def _weight(parameter: str) -> float:
    match = re.fullmatch(r"\s*q\s*=\s*([01](?:\.\d{0,3})?)\s*", parameter)
    if match:
        return float(match[1])
    return 0.0 if parameter else 1.0


def title(status: int, language: str) -> str:
    """The short text for an HTTP status."""
    return TITLES.get(status, TITLES[500])[LANGUAGES[language]]


def detail(reason: str, metadata: Mapping[str, str], language: str) -> str | None:
    """The text for a reason; None when the catalogue has none or a value is missing."""
    texts = DETAILS.get(reason)
    text = texts[LANGUAGES[language]] if texts else None
    if text is None and language == CHINESE:
        text = chinese.DETAILS.get(reason)
    try:
        return None if text is None else text.format_map(dict(metadata))
    except (KeyError, IndexError, ValueError):
        return None
