"""Pinyin without tones, character by character: all of pypinyin's phrases would take 44 MiB more.

Characters with two readings that both occur in names get both (长 of 长安 and of 院长).
"""

import os
import re
from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from unicodedata import normalize

FORMS_MAX = 4
LENGTH_MAX = 20
_CACHED_RUNS = 4096
_FIRST, _LAST = 0x4E00, 0x9FFF
HAN = re.compile(f"[{chr(_FIRST)}-{chr(_LAST)}]+")
_MARKS = re.compile("[\u0300-\u036f]")

# The reading that is the likelier in a name comes first.
_POLYPHONES = (
    "乐le,yue 便bian,pian 曾zeng,ceng 会hui,kuai 传chuan,zhuan 佛fo,fu 俞yu,shu 六liu,lu "
    "区qu,ou 单shan,dan 卜bu,bo 卡ka,qia 厦xia,sha 句ju,gou 召zhao,shao 员yuan,yun 塞sai,se "
    "奇qi,ji 宓mi,fu 宿su,xiu 尉wei,yu 尾wei,yi 屏ping,bing 差cha,chai 弹dan,tan 强qiang,jiang "
    "拓tuo,ta 折zhe,she 择ze,zhai 数shu,shuo 於yu,wu 晟sheng,cheng 朝chao,zhao 朴piao,pu "
    "查zha,cha 柏bai,bo 校xiao,jiao 枞cong,zong 泊bo,po 泌mi,bi 洗xi,xian 浒hu,xu 涡wo,guo "
    "澄cheng,deng 牟mou,mu 率lv,shuai 石shi,dan 种zhong,chong 称cheng,chen 秘mi,bi 番fan,pan "
    "盖gai,ge 盛sheng,cheng 省sheng,xing 祭ji,zhai 纤xian,qian 纶lun,guan 绿lv,lu 缪miao,mou "
    "翟zhai,di 膀bang,pang 茄qie,jia 茜qian,xi 荥xing,ying 莘xin,shen 蔚wei,yu 薄bo,bao "
    "藏zang,cang 蚌bang,beng 蛤ha,ge 血xue,xie 行hang,xing 覃qin,tan 角jiao,jue 解xie,jie "
    "调diao,tiao 谌chen,shen 谷gu,yu 贾jia,gu 车che,ju 都du,dou 重chong,zhong 铅qian,yan "
    "长chang,zhang 陆lu,liu 降jiang,xiang 隗wei,kui 露lu,lou 龟gui,jun 阿a,e 仇qiu,chou "
    "什shi,shen 仔zi,zai 勒le,lei 参can,shen 堡bao,pu 壳ke,qiao 大da,dai 削xue,xiao "
    "圈quan,juan 地di,de 属shu,zhu 恶e,wu 扎zha,za 没mei,mo 模mo,mu 的de,di 着zhe,zhuo "
    "觉jue,jiao 还huan,hai 似si,shi 爪zhua,zhao 畜xu,chu 给gei,ji 臭chou,xiu 郇xun,huan "
    "颤chan,zhan 了le,liao"
)


def readings(run: str) -> Sequence[tuple[str, ...]]:
    """How a run of Chinese characters may be read, at most FORMS_MAX ways: syllables by character.

    Only the first LENGTH_MAX characters count, and of them those that have a reading.
    """
    return _readings(run[:LENGTH_MAX])


def pinyin(text: str) -> str:
    """The text with its Chinese characters in pinyin; other characters stay."""
    return HAN.sub(lambda run: "".join(readings(run[0])[0]), text)


@lru_cache(maxsize=_CACHED_RUNS)
def _readings(run: str) -> Sequence[tuple[str, ...]]:
    forms: list[tuple[str, ...]] = [()]
    syllables, polyphones = load()
    for character in run:
        choices = polyphones.get(character) or (syllables[ord(character) - _FIRST],)
        if len(forms) * len(choices) > FORMS_MAX:
            choices = choices[:1]
        forms = [(*form, choice) for form in forms for choice in choices]
    return forms


@cache
def load() -> tuple[list[str], Mapping[str, tuple[str, ...]]]:
    """The dictionary, 100 ms and 12 MiB at first use: the syllables of all characters from U+4E00
    on ("" where there is none), and the characters with two.
    """
    os.environ |= {"PYPINYIN_NO_PHRASES": "true", "PYPINYIN_NO_DICT_COPY": "true"}
    from pypinyin import pinyin_dict  # noqa: PLC0415  # takes time and memory, as said

    known = pinyin_dict.pinyin_dict
    first = [known.get(code, "").split(",", 1)[0] for code in range(_FIRST, _LAST + 1)]
    plain = {one: _MARKS.sub("", normalize("NFD", one).replace("u\u0308", "v")) for one in {*first}}
    polyphones = {part[0]: tuple(part[1:].split(",")) for part in _POLYPHONES.split()}
    return [plain[one] for one in first], polyphones
