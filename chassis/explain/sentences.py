"""An explanation as one sentence, in English and Chinese."""

from collections.abc import Mapping
from dataclasses import dataclass

from crm.chassis.v1.access_pb2 import ExplainAccessResponse

_VERBS: Mapping[str, str] = {
    "READ": "查看", "CREATE": "新建", "UPDATE": "修改", "DELETE": "删除", "ASSIGN": "转交",
    "SHARE": "共享", "EXPORT": "导出", "IMPORT": "导入", "APPROVE": "审批", "CONFIGURE": "配置",
}  # fmt: skip
# How a grant and a record come together, in English and Chinese.
_MATCHES: Mapping[str, tuple[str, str]] = {
    "": ("within the scope {scope}", "范围为 {scope}"),
    "ALL": ("on every record", "适用于全部记录"),
    "PARTNER_COMPANY": ("on every record of his company", "适用于本公司的全部记录"),
    "OWNER": ("because the record is his own", "因为该记录归其本人所有"),
    "SUBORDINATE": ("because the owner reports to him", "因为负责人是其下属"),
    "DEPARTMENT": ("because of the record's department", "因为记录所属部门在其范围内"),
    "SHARE": ("because the record is shared with him", "因为该记录已共享给他"),
    "RIGHTS": ("because the role allows no more than he may", "因为该角色不超出其自身权限"),
}
_DENIALS: Mapping[str, tuple[str, str]] = {
    "USER_INACTIVE": ("the account is disabled or deleted", "账号已停用或删除"),
    "NO_GRANT": ("none of his roles allows it", "其角色均无此权限"),
    "OUT_OF_SCOPE": (
        "the record is outside the scopes of his roles and not shared with him",
        "该记录不在其角色的范围内，也未共享给他",
    ),
}


@dataclass(frozen=True, slots=True)
class Question:
    """Who wants to do what, in words."""

    name: str
    verb: str
    resource: str


def add_sentences(question: Question, answer: ExplainAccessResponse) -> None:
    """Put both sentences into the answer, with one more about its fields."""
    who, resource = question.name, question.resource
    verb, verb_zh = question.verb.lower(), _VERBS[question.verb]
    if answer.allowed:
        first = next(iter(answer.reasons), ExplainAccessResponse.Reason())
        how, how_zh = (text.format(scope=first.scope) for text in _MATCHES[first.matched_by])
        role = first.role_name or first.role_id
        answer.text = f"{who} may {verb} {resource} by the role {role}, {how}."
        answer.text_zh = f"{who} 可以{verb_zh} {resource}：角色“{role}”，{how_zh}。"
    else:
        why, why_zh = _DENIALS[answer.denied_because]
        answer.text = f"{who} may not {verb} {resource}: {why}."
        answer.text_zh = f"{who} 不能{verb_zh} {resource}：{why_zh}。"
    for fields, label, label_zh in (
        (answer.hidden_fields, "Hidden from him", "不可见字段"),
        (answer.read_only_fields, "Read-only for him", "只读字段"),
    ):
        if fields:
            answer.text += f" {label}: {', '.join(fields)}."
            answer.text_zh += f"{label_zh}：{'、'.join(fields)}。"
