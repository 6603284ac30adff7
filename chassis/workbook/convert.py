"""A workbook to CSV."""

import csv
from typing import BinaryIO, TextIO

from chassis.workbook.book import open_book
from chassis.workbook.package import Package
from chassis.workbook.sheet import rows


def convert(file: BinaryIO, sheet: str, out: TextIO) -> None:
    """Write the sheet as CSV, line n of which is row n, as wide as the first row with cells."""
    package = Package(file)
    writer = csv.writer(out, lineterminator="\n")
    header = csv.writer(out, lineterminator="\n", quoting=csv.QUOTE_ALL)
    width, last = 0, 0
    for number, cells in rows(package, open_book(package, sheet)):
        out.write("\n" * (number - last - 1))
        last = number
        if width:
            writer.writerow(cells + [""] * (width - len(cells)))
        else:
            width = len(cells)
            header.writerow(cells)
            out.flush()
            package.opened()
