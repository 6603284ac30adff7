"""What is said of single fields, in Chinese: the codec's, the validators' and the services' own
messages by pattern.
"""

import re

from services.gateway.catalogue import CHINESE

# Groups are filled into the Chinese text.
_MESSAGES: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), text)
    for pattern, text in (
        (r"must be a string", "必须是字符串"),
        (r"must be an integer", "必须是整数"),
        (r"must be an integer in decimal", "必须是十进制整数"),
        (r"must be a number", "必须是数字"),
        (r"must be a number up to (.+)", r"必须是不超过 \1 的数字"),
        (r"must be an object", "必须是对象"),
        (r"must be an array", "必须是数组"),
        (r"must be true or false", "必须是 true 或 false"),
        (r"must not be null", "不能为 null"),
        (r"must not contain NUL", "不能包含 NUL 字符"),
        (r"must be valid Unicode", "必须是有效的 Unicode"),
        (r"must be base64 with padding", "必须是带填充的 base64"),
        (r"must be field paths with commas between them", "必须是以逗号分隔的字段路径"),
        (r"must be an RFC 3339 time such as (.+)", r"必须是 RFC 3339 时间，例如 \1"),
        (r"must be a duration such as (.+)", r"必须是时长，例如 \1"),
        (r"must lie between (.+) and (.+)", r"必须在 \1 与 \2 之间"),
        (r"must be one of (.+)", r"必须是以下之一：\1"),
        (r"only one of (.+) may be given", r"以下只能给出一个：\1"),
        (r"may come only once", "只能出现一次"),
        (r"is given by the path", "已由路径给出"),
        (r"is unknown", "是未知字段"),
        (r"is read-only", "是只读字段"),
        (r"There is no such collection\.", "没有这个集合。"),
        (r"There is no such field\.", "没有这个字段。"),
        (r"There is no such field to set\.", "没有可以设置的这个字段。"),
        (r"There is no such field: (.+)\.", r"没有这些字段：\1。"),
        (r"This field is output only\.", "此字段由系统填写，不能设置。"),
        (r"This field cannot be changed\.", "此字段创建后不能修改。"),
        (r"You may not set this field\.", "您无权设置此字段。"),
        (r"There is no such record\.", "没有这条记录。"),
        (r"This value is taken\.", "该值已被使用。"),
        (r"There is no such value\.", "没有这个选项。"),
        (r"There is no such currency\.", "没有这种货币。"),
        (r"It must be a date, YYYY-MM-DD\.", "必须是日期，格式为 YYYY-MM-DD。"),
        (r"This field is required\.", "此字段为必填项。"),
        (r"An owner is only replaced by another one\.", "负责人只能更换，不能清空。"),
        (
            r"It must be given: no user stands behind the client\.",
            "必须指定：该接口客户端没有对应的用户。",
        ),
        (r"At most (\d+) characters\.", r"最多 \1 个字符。"),
        (r"At least (\d+) characters\.", r"至少 \1 个字符。"),
        (r"At most (\d+) entries\.", r"最多 \1 项。"),
        (r"At least (\d+) entries\.", r"至少 \1 项。"),
        (r"Use at least (\d+) characters\.", r"请至少使用 \1 个字符。"),
        (r"Use at most (\d+) characters\.", r"请最多使用 \1 个字符。"),
        (
            r"Leave out your name, your login and the name of your company\.",
            "请勿包含您的姓名、登录名或企业名称。",
        ),
        (
            r"Many people use passwords like this; choose another one\.",
            "此类密码过于常见，请另选一个。",
        ),
        (r"A user needs a login\.", "用户必须有登录名。"),
        (r"Use characters that are shown, without spaces\.", "请使用可见字符，不含空格。"),
        (r"Choose another one than before\.", "请使用与之前不同的密码。"),
        (r"The password is wrong\.", "密码错误。"),
        (r"The code is wrong, or it was used before\.", "验证码错误或已被使用。"),
        (r"The link has expired, or it was used before\.", "链接已过期或已被使用。"),
        (r"Login or e-mail is required\.", "登录名或电子邮件地址必填其一。"),
        (r"There is no such time zone\.", "没有这个时区。"),
        (r"There is no such currency\.", "没有这种货币。"),
        (r"No entry may come twice\.", "不能有重复的项。"),
        (r"It must match (.+)\.", r"必须符合格式 \1。"),
        (r"It must be a UUID\.", "必须是 UUID。"),
        (r"It must be one of: (.+)\.", r"必须是以下之一：\1。"),
        (r"It must be from (.+) to (.+)\.", r"必须在 \1 到 \2 之间。"),
        (r"Name a tag to add or to remove\.", "请指定要添加或移除的标签。"),
        (
            r"Name one: update, assign, tag or delete\.",
            "请指定其一：update、assign、tag 或 delete。",
        ),
        (r"Name a field to set\.", "请指定要设置的字段。"),
        (r"Give either a filter or ids\.", "请提供筛选条件或 id 列表，二者择一。"),
        (r"It is given by the request\.", "已由请求给出。"),
        (r"There is no such choice\.", "没有这个选项。"),
        (r"This field is not to be used any more\.", "此字段已停用。"),
        (r"This choice is not to be used any more\.", "此选项已停用。"),
        (r"It does not fit (.+)\.", r"与 \1 不相符。"),
        (r"Such a field has no default of its own\.", "此类字段不能有默认值。"),
        (r"There is no field with a list of choices so named\.", "没有以此命名的选项字段。"),
        (r"It must be text\.", "必须是文本。"),
        (
            r"It must be a decimal number in a string, such as \"12\.5\"\.",
            '必须是字符串形式的十进制数，例如 "12.5"。',
        ),
        (
            r"It must be an object of currency_code and amount\.",
            "必须是包含 currency_code 和 amount 的对象。",
        ),
        (r"It must be true or false\.", "必须是 true 或 false。"),
        (r"It must be a list of at most (\d+) choices\.", r"必须是最多 \1 个选项的列表。"),
        (r"It must be the id of a record\.", "必须是一条记录的 id。"),
        (r"Not an id\.", "不是有效的 id。"),
        (r"This field has no parts\.", "此字段没有组成部分。"),
        (r"This field has no such part\.", "此字段没有这个组成部分。"),
        (
            r"The external source is given once, as external_source of the import\.",
            "外部来源只需在导入的 external_source 中给出一次。",
        ),
        (r"This field cannot be set\.", "此字段不能设置。"),
        (r"This field cannot be imported from a column\.", "此字段不能从列导入。"),
        (r"Name a part of it: (.+) or (.+)\.", r"请指定其组成部分：\1 或 \2。"),
        (r"The file has no column \"(.+)\"\.", r"文件中没有列“\1”。"),
        (r"It is required with a column for external_id\.", "有 external_id 列时必须填写。"),
        (r"Two columns fill this field\.", "有两列对应此字段。"),
        (r"This field is no reference\.", "此字段不是引用字段。"),
        (r"This field is no number\.", "此字段不是数字。"),
        (r"Every record has its own external id\.", "每条记录的 external_id 各不相同。"),
        (r"There is no such resource here\.", "此处没有这种资源。"),
        (r"It may be at most (.+)\.", r"最大为 \1。"),
        (r"A record may be named once in a batch\.", "同一记录在一批中只能出现一次。"),
        (r"Name a user or a department\.", "请指定用户或部门。"),
        (r"The record is of another company\.", "该记录属于另一家公司。"),
        (r"This would close a circle\.", "这样会形成循环。"),
        (r"This would make too many levels\.", "这样层级过多。"),
        (
            r"There is a partner company above and another one below\.",
            "上级和下级中各有一家合作公司。",
        ),
        (r"It must lie after (.+)\.", r"必须晚于 \1。"),
        (r"It must lie in the future\.", "必须是将来的时间。"),
        (r"There is no such role\.", "没有这个角色。"),
        (r"At most (\d+) bytes as JSON\.", r"以 JSON 表示最多 \1 字节。"),
        (r"Name another active user, or a department\.", "请指定另一位在职用户或一个部门。"),
        (r"These have no owners: (.+)\.", r"以下资源没有负责人：\1。"),
        (r"It must not be before (.+)\.", r"不能早于 \1。"),
        (r"Give this or (.+)\.", r"请填写此项或 \1。"),
        (r"An open opportunity has no close date\.", "进行中的商机没有关闭日期。"),
        (r"Only a lost opportunity has a reason\.", "只有输单的商机才有原因。"),
        (r"It is no stage of the pipeline\.", "它不是该销售管道的阶段。"),
        (r"An opportunity is always in a stage\.", "商机必须处于某个阶段。"),
    )
)


def field_message(message: str, language: str) -> str:
    """What is wrong with a field; messages that the catalogue does not know stay as they are."""
    if language == CHINESE:
        for pattern, text in _MESSAGES:
            match = pattern.fullmatch(message)
            if match:
                return match.expand(text)
    return message
