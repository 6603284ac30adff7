"""Search over REST: Chinese, pinyin, Latin, e-mail and telephone numbers, and what it respects."""

import csv

import pytest

from tests.live import DATA, Tenant, as_dict

PEOPLE = ("张三丰", "李四", "王小二", "重庆长安汽车有限公司", "上海宏远贸易有限公司")


@pytest.fixture(scope="module")
def customers(tenant: Tenant) -> dict[str, str]:
    """The ids by name of some Chinese customers, and of the companies of the public data set."""
    with (DATA / "accounts.csv").open(encoding="utf-8") as file:
        names = [*PEOPLE, *[row["account"] for row in csv.DictReader(file)]]
    bodies = [{"customer": {"name": name, "kind": "COMPANY"}} for name in names]
    bodies[0]["customer"] |= {"phone": "+86 138-0013 8000", "email": "san.feng@wudang.example.cn"}
    bodies[4]["customer"] |= {"phone": "(021) 6888-0001"}
    answer = as_dict(tenant.post("customers:batchCreate", {"requests": bodies}))
    made = answer["customers"]
    assert isinstance(made, list)
    return {one["name"]: one["id"] for one in made}


def found(tenant: Tenant, condition: str, **params: str | int) -> list[str]:
    """The names that a filter finds, over all pages of two."""
    rows = tenant.list("customers", filter=condition, page_size=2, order_by="name", **params)
    return [str(row["name"]) for row in rows]


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("三丰", ["张三丰"]),
        ("丰", ["张三丰"]),
        ("zhangsan", ["张三丰"]),
        ("zsf", ["张三丰"]),
        ("zs", ["张三丰"]),
        ("chongqing", ["重庆长安汽车有限公司"]),
        ("有限公司", ["上海宏远贸易有限公司", "重庆长安汽车有限公司"]),
        ("上海 贸易", ["上海宏远贸易有限公司"]),
        ("有限公司 NOT 上海", ["重庆长安汽车有限公司"]),
        ("三丰 OR 李四", ["张三丰", "李四"]),
        ("cancit", ["Cancity"]),
        ("acme", ["Acme Corporation"]),
        ("*cme*", ["Acme Corporation"]),
        ('"acme corp"', ["Acme Corporation"]),
        ("wudang.exam", ["张三丰"]),
        ("san.feng@wudang", ["张三丰"]),
        ("13800138000", ["张三丰"]),
        ('"138 0013 8000"', ["张三丰"]),
        ('"+86 138-0013 8000"', ["张三丰"]),
        ('"+86 21 68880001"', ["上海宏远贸易有限公司"]),
        ('name:"三丰"', ["张三丰"]),
        ('name:"zsf"', ["张三丰"]),
        ("name:zhangsan", ["张三丰"]),
        ('phone:"0013-8000"', ["张三丰"]),
        ("name:13800138000", []),
        ("email:三丰", []),
        ("三丰 kind = PERSON", []),
        ("nobodyknows", []),
    ],
)
def test_search_finds(
    tenant: Tenant, customers: dict[str, str], condition: str, expected: list[str]
) -> None:
    assert customers
    assert found(tenant, condition) == expected


def test_search_is_counted(tenant: Tenant, customers: dict[str, str]) -> None:
    assert customers
    for how in ("exact", "estimate"):
        page = tenant.get("customers", filter="有限公司", count=how, page_size=1)
        assert as_dict(page)["total_size"] == 2


@pytest.mark.parametrize("condition", ["&", '"***"', "a*b", 'name:"&"', "name:a*b"])
def test_search_refuses_what_cannot_be_sought(tenant: Tenant, condition: str) -> None:
    response = tenant.get("customers", filter=condition)
    assert response.status_code == 400
    assert as_dict(response)["reason"] == "FILTER_INVALID"


def test_search_follows_changes(tenant: Tenant) -> None:
    made = tenant.create("customers", name="赵六商行", kind="COMPANY")
    path = f"customers/{made['id']}"
    assert found(tenant, "赵六") == ["赵六商行"]
    tenant.patch(path, {"name": "钱七商行"})
    assert found(tenant, "赵六") == []
    assert found(tenant, "钱七") == ["钱七商行"]
    tenant.patch(path, {"phone": "+86 139 0000 1111"})
    assert found(tenant, "钱七 13900001111") == ["钱七商行"]
    tenant.delete(path)
    assert found(tenant, "钱七") == []
    assert found(tenant, "钱七", show_deleted="true") == ["钱七商行"]
    tenant.post(f"{path}:undelete", {})
    assert found(tenant, "钱七") == ["钱七商行"]


def test_search_stays_within_the_tenant(
    tenant: Tenant, other_tenant: Tenant, customers: dict[str, str]
) -> None:
    assert customers
    assert other_tenant.list("customers", filter="三丰") == []


def test_other_collections_are_searched(tenant: Tenant, customers: dict[str, str]) -> None:
    customer_id = customers["张三丰"]
    tenant.create("contacts", name="周伯通", customer_id=customer_id, phone="021-5555 0100")
    tenant.create("products", name="倚天剑 GTX 500", code="YT-500")
    tenant.create("users", name="郭靖", login="guojing", email="guo@example.cn")
    for collection, needles in {
        "contacts": ("伯通", "zbt", "55550100"),
        "products": ("倚天", "gtx", "ytj", "yt-5"),
        "users": ("郭靖", "guojing", "guo@example"),
    }.items():
        for needle in needles:
            assert len(tenant.list(collection, filter=f'"{needle}"')) == 1, (collection, needle)
