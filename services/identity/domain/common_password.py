"""What common passwords are made of: words (English, pinyin) and rows of keys, in lower case."""

_WORDS = """
1q2w3e 1q2w3e4r 1q2w3e4r5t a123456 a1b2c3 aa123456 abc123 abcd1234 access account admin adminadmin
administrator aini aiwoma alexander amanda america andrew angel anthony apple asd123 asdf ashley
austin awesome babygirl backup baidu barcelona baseball basketball batman beautiful beijing bigdog
blink182 bonjour brandon buster butterfly changeit changeme charlie cheese chelsea chengdu
chocolate chongqing christian cisco cloud company computer congrats cookie corvette cowboy crm
customer dallas daniel database david default demo demodemo diamond dragon dubsmash eagle einstein
elephant enter facebook falcon family fender ferrari finance flower football forever freedom
friend friends gandalf gateway george ginger gmail golden golfer gongsi google guangzhou guanli
guanliyuan guest hammer hangzhou hannah happy harley heather hello helloworld hockey hottest
huawei hunter iloveu iloveyou internet jackson jasmine jennifer jessica jesus jordan joshua justin
kehu kehuguanli killer laopo letmein liverpool login loginlogin london love lovely loveme loveyou
maggie manager manchester marketing marlboro martin master matrix matthew maverick mercedes
michael michelle michigan mickey microsoft mima monday monkey monster mother mustang naruto nicole
nihao ninja nothing office oracle orange p@ssw0rd pass passcode passport passw0rd password
passwort patrick peanut pepper phoenix pokemon porsche postgres princess private public purple
q1w2e3 q1w2e3r4 qazwsx qianqian qingdao qq query qwe123 rachel rainbow ranger reset richard robert
root rootroot sales samantha samsung scooter secret secure security server service shadow shanghai
shenzhen shuaige silver snoopy soccer spider spring startrek starwars steven summer sunday
sunshine super superman support sysadmin system taobao target taylor temp temporary tencent test
tester testing testtest thomas thunder tianjin tiger tigger tomorrow toor trustno1 user username
victory wang wasd wechat weixin welcome whatever william winner winter wizard woaini woaiwo
wodemima wohenni woshishui wuhan xiaoxiao xitong yankees yellow yonghu youaremine youpass yuanwang
zaq1 zhang zhongguo zxcvbnm
"""
_KEYS = (
    "abcdefghijklmnopqrstuvwxyz", "0123456789", "1234567890", "qwertyuiop", "asdfghjkl", "zxcvbnm",
    "qwertzuiop", "azertyuiop", "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik9ol0p",
    "qazwsxedcrfvtgbyhnujmikolp", "!@#$%^&*()", "147258369", "159357", "520131452013141314520",
)  # fmt: skip

WORDS = frozenset(_WORDS.split())
ROWS = (*_KEYS, *(row[::-1] for row in _KEYS))
