"""Workbooks for tests: sound ones by openpyxl, others part by part."""

import io
import zipfile
from collections.abc import Mapping, Sequence

from openpyxl import Workbook

RELATION = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
COLUMNS_MAX = 16_384


def written(**sheets: Sequence[Sequence[object]]) -> bytes:
    """A workbook with these sheets."""
    book = Workbook(write_only=True)
    for title, rows in sheets.items():
        sheet = book.create_sheet(title)
        for row in rows:
            sheet.append(row)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def packed(
    rows: str, *, strings: str = "", more: Mapping[str, bytes] | None = None, **kinds: str
) -> bytes:
    """A workbook whose only sheet has this XML in its sheetData, with shared strings as XML.

    `more` are further parts by name; `kinds` replace parts: main, sheet, relations.
    """
    parts = {
        "_rels/.rels": relations(a=("officeDocument", "xl/workbook.xml")),
        "xl/workbook.xml": f'<workbook xmlns="{MAIN}" xmlns:r="{RELATION}"><sheets>'
        '<sheet name="Data" sheetId="1" r:id="a"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": relations(
            a=("worksheet", "worksheets/sheet1.xml"), b=("sharedStrings", "sharedStrings.xml")
        ),
        "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{MAIN}">'
        f"<sheetData>{rows}</sheetData></worksheet>",
        "xl/sharedStrings.xml": f'<sst xmlns="{MAIN}">{strings}</sst>',
    }
    names = {
        "main": "xl/workbook.xml",
        "sheet": "xl/worksheets/sheet1.xml",
        "relations": "xl/_rels/workbook.xml.rels",
    }
    parts |= {names[kind]: text for kind, text in kinds.items()}
    return zipped({name: text.encode() for name, text in parts.items()} | dict(more or {}))


def relations(**targets: tuple[str, str]) -> str:
    """A part of relations: (kind, target) by id."""
    each = "".join(
        f'<Relationship Id="{name}" Type="{RELATION}/{kind}" Target="{target}"/>'
        for name, (kind, target) in targets.items()
    )
    return f"<Relationships>{each}</Relationships>"


def zipped(parts: Mapping[str, bytes]) -> bytes:
    """A zip file of these parts."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in parts.items():
            archive.writestr(name, data)
    return out.getvalue()
