"""What a search finds of a text, and what not: grams and patterns together, as PostgreSQL uses
them.
"""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chassis.search.text import searched_text, sought_patterns, sought_words
from chassis.search.tokens import grams, sought_grams, token_ids

ALPHABET = "张三丰李四重庆长安公司中ÄöüéabcxyzABCXYZ0123456789 -.@()+/，。々カナ한국"
TEXTS = st.text(st.sampled_from(ALPHABET), max_size=60)


def by_index(text: str, needle: str) -> bool:
    """Whether all grams sought are those of the text."""
    sought = sought_grams(sought_words(needle))
    return bool(sought) and set(sought) <= grams(searched_text(text))


def by_recheck(text: str, needle: str) -> bool:
    """Whether the text is LIKE one of the patterns."""
    patterns = sought_patterns(sought_words(needle))
    return any(pattern.strip("%") in searched_text(text) for pattern in patterns)


@pytest.mark.parametrize(
    ("text", "needle"),
    [
        ("张三丰贸易有限公司", "三丰"),
        ("张三丰贸易有限公司", "丰"),
        ("张三丰贸易有限公司", "zhangsanfeng"),
        ("张三丰贸易有限公司", "ZSF"),
        ("张三丰贸易有限公司", "zs"),
        ("上海张三丰", "zs"),
        ("上海张三丰", "anfe"),
        ("张三丰", "z"),
        ("重庆长安汽车", "chongqing"),
        ("重庆长安汽车", "zhongqing"),
        ("重庆长安汽车", "cqca"),
        ("单先生", "shan"),
        ("中国银行", "yinhang"),
        ("绿地集团", "lvdi"),
        ("Ｈｕａｗｅｉ技术", "huawei"),
        ("张ABC公司", "abc公司"),
        ("Acme Corp.", "cme"),
        ("Acme Corp.", "co"),
        ("Acme Corp.", "c"),
        ("Acme Corp.", "me corp"),
        ("O'Brien & Söhne", "söhne"),
        ("office@acme-mail.example.com", "fice@acme"),
        ("office@acme-mail.example.com", "acme-mail.ex"),
        ("GTX-500", "gtx 5"),
        ("株式会社カナ", "カナ"),
        ("한국전력", "한국"),
        *[
            (number, needle)
            for number in ("+86 138-0013 8000", "13800138000", "0086 138 0013 8000", "138 00138000")
            for needle in ("+86 138-0013 8000", "138 0013 8000", "13800138000", "0013-8000")
        ],
        ("010-12345678", "(010) 1234-5678"),
        ("+86 10 1234 5678", "(010) 1234-5678"),
        ("(010) 1234-5678", "+86 10 12345678"),
        ("+44 (0)20 7946 0000", "020 7946 0000"),
        ("+44 20 7946 0000", "+44 (0)20 79460000"),
        ("总机 +86 10 1234 5678 转 9", "12345678"),
        ("+86 138", "+86 138"),
        ("000000", "000000"),
    ],
)
def test_search_finds(text: str, needle: str) -> None:
    assert by_index(text, needle)
    assert by_recheck(text, needle)


@pytest.mark.parametrize(
    ("text", "needle"),
    [
        ("张三", "三张"),
        ("张三丰", "sz"),
        ("Acme Corp", "me"),
        ("Acme Corp", "acmecorp"),
        ("13800138000", "13900138000"),
        ("张三", "李"),
    ],
)
def test_search_does_not_find(text: str, needle: str) -> None:
    assert not (by_index(text, needle) and by_recheck(text, needle))


@pytest.mark.parametrize("needle", ["", " ", "&", "***", "…", "_"])
def test_nothing_can_be_sought_without_letter_or_digit(needle: str) -> None:
    assert not sought_grams(sought_words(needle))


@given(TEXTS, st.integers(0, 60), st.integers(2, 20))
@example("重庆长安abcd", 2, 4)
def test_every_fragment_is_found(text: str, start: int, size: int) -> None:
    fragment = text[start : start + size]
    words = sought_words(fragment)
    if not words or (len(words) == 1 and re.fullmatch("[a-zäöüé0-9]{1,2}", words[0])):
        return  # one or two letters are sought where words begin
    assert by_index(text, fragment), (searched_text(text), words)
    assert by_recheck(text, fragment)


@given(TEXTS, TEXTS)
def test_the_index_finds_all_that_the_recheck_takes(text: str, needle: str) -> None:
    if sought_grams(sought_words(needle)) and by_recheck(text, needle):
        assert by_index(text, needle)


def test_tokens_differ_between_tenants_and_fit_four_bytes() -> None:
    some = sorted(grams(searched_text("张三丰贸易有限公司 Acme")))
    one, other = token_ids("a", some), token_ids("b", some)
    assert not set(one) & set(other)
    assert all(-(2**31) <= token < 2**31 for token in one)
    assert min(one) < 0 < max(one)


def test_long_texts_are_cut() -> None:
    assert len(searched_text("x" * 10_000)) <= 501
    assert len(grams(searched_text("重" * 10_000))) < 2_000
