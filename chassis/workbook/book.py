"""What a workbook says about itself: its sheets, the formats of its cells, its shared strings."""

from array import array
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from posixpath import dirname, join, normpath
from xml.parsers import expat

from chassis.workbook.limits import (
    FORMATS_MAX,
    TEXT_BYTES_MAX,
    UNPACKED_BYTES_MAX,
    Refusal,
    beyond,
    damaged,
    locked,
    unsafe,
)
from chassis.workbook.package import Package, local
from chassis.workbook.values import PLAIN, form_of

Attributes = Mapping[str, str]
_NAMES_SHOWN = 20


@dataclass(slots=True)
class Book:
    """The parts that a sheet is read with."""

    sheet: str
    strings: "Strings"
    epoch: datetime
    forms: list[int] = field(default_factory=list)

    def form(self, style: str) -> int:
        """What the numbers of a cell with this style are."""
        at = int(style)
        return self.forms[at] if 0 <= at < len(self.forms) else PLAIN


class Strings:
    """The shared strings, read as far as they are asked for; texts lie in one buffer."""

    def __init__(self, package: Package, name: str | None) -> None:
        self._text = bytearray()
        self._ends = array("L", [0])
        self._inside = self._skipped = False
        self._count = package.count
        self._steps: Iterator[None] = iter(())
        if name is not None:
            parser = expat.ParserCreate()
            parser.StartElementHandler = self._start
            parser.EndElementHandler = self._end
            parser.CharacterDataHandler = self._characters
            self._steps = package.parse(name, parser, UNPACKED_BYTES_MAX)

    def at(self, index: int) -> str:
        """String number `index`, from 0."""
        while len(self._ends) <= index + 1:
            if next(self._steps, self) is self:
                raise damaged()
        if index < 0:
            raise damaged()
        return self._text[self._ends[index] : self._ends[index + 1]].decode()

    def _start(self, tag: str, _attributes: Attributes) -> None:
        self._count()
        match local(tag):
            case "t":
                self._inside = not self._skipped
            case "rPh":  # how to pronounce it
                self._skipped = True

    def _end(self, tag: str) -> None:
        match local(tag):
            case "t":
                self._inside = False
            case "rPh":
                self._skipped = False
            case "si":
                self._ends.append(len(self._text))

    def _characters(self, data: str) -> None:
        if self._inside:
            self._text += data.encode()
            if len(self._text) - self._ends[-1] > TEXT_BYTES_MAX:
                raise beyond(f"{TEXT_BYTES_MAX} bytes in one cell")


def open_book(package: Package, wanted: str) -> Book:
    """The book at its sheet `wanted`, or at the first one that is shown."""
    main = next(iter(_targets(package, "", "/officeDocument").values()), None)
    if main is None:
        raise damaged()
    if main.endswith(".bin"):
        raise locked()
    shared = _targets(package, main, "/sharedStrings")
    styles = _targets(package, main, "/styles")
    sheets = _targets(package, main, "/worksheet")
    names: dict[str, str] = {}
    first: list[str] = []
    epoch = datetime(1899, 12, 30)  # noqa: DTZ001  # a serial number has no zone

    def start(tag: str, attributes: Attributes) -> None:
        nonlocal epoch
        if tag == "workbookPr" and attributes.get("date1904") in {"1", "true"}:
            epoch = datetime(1904, 1, 1)  # noqa: DTZ001  # as above
        target = sheets.get(_get(attributes, "id")) if tag == "sheet" else None
        if target is not None:
            names[attributes.get("name", "")] = target
            if attributes.get("state", "visible") == "visible":
                first.append(target)

    package.visit(main, start)
    sheet = names.get(wanted) if wanted else next(iter(first), None)
    if sheet is None:
        raise _no_sheet(wanted, list(names))
    strings = Strings(package, next(iter(shared.values()), None))
    book = Book(sheet, strings, epoch)
    for part in dict.fromkeys(styles.values()):
        package.visit(part, _style_reader(book.forms))
    return book


def _no_sheet(wanted: str, names: list[str]) -> Refusal:
    shown = ", ".join(names[:_NAMES_SHOWN])
    text = f'The workbook has no sheet "{wanted}"; it has: {shown}.'
    return Refusal("SHEET_NOT_FOUND", text, sheet=wanted, sheets=shown)


def _targets(package: Package, part: str, kind: str) -> dict[str, str]:
    """The parts that `part` ("" for the package) is related to in this way, by relation id."""
    found: dict[str, str] = {}
    folder, name = dirname(part), part.rpartition("/")[2]

    def start(tag: str, attributes: Attributes) -> None:
        if tag == "Relationship" and attributes.get("Type", "").endswith(kind):
            if attributes.get("TargetMode") == "External":
                raise unsafe()
            target = normpath(join("/", folder, attributes.get("Target", "")))
            found[attributes.get("Id", "")] = target.lstrip("/")

    package.visit(join(folder, "_rels", f"{name}.rels"), start)
    return found


def _style_reader(forms: list[int]) -> Callable[[str, Attributes], None]:
    """Fills `forms` by index of the cell formats; number formats stand before them."""
    codes: dict[int, str] = {}
    inside = False

    def start(tag: str, attributes: Attributes) -> None:
        nonlocal inside
        if tag == "numFmt":
            codes[int(attributes.get("numFmtId", "0"))] = attributes.get("formatCode", "")
        elif tag == "xf" and inside:
            number = int(attributes.get("numFmtId", "0"))
            forms.append(form_of(number, codes.get(number)))
        elif tag in {"cellXfs", "cellStyles", "dxfs", "cellStyleXfs"}:
            inside = tag == "cellXfs"
        if len(forms) > FORMATS_MAX:
            raise beyond(f"{FORMATS_MAX} cell formats")

    return start


def _get(attributes: Attributes, name: str) -> str:
    """An attribute by its name without prefix, whose prefix the file is free to choose."""
    return next((value for key, value in attributes.items() if local(key) == name), "")
