"""XLSX is read as the CSV of its first sheet; other sheets are named."""

import zipfile

import pytest

from sft_cli.data.readers import Reading, read_records
from sft_cli.run.errors import FieldError, UserError

NAMESPACE = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGES = 'xmlns="http://schemas.openxmlformats.org/package/2006/relationships"'
DATE_STYLE = 1
STYLES = f"""<styleSheet {NAMESPACE}><fonts count="1"><font/></fonts><fills count="1"><fill/></fills>
<borders count="1"><border/></borders><cellStyleXfs count="1"><xf/></cellStyleXfs>
<cellXfs count="2"><xf numFmtId="0"/><xf numFmtId="14" applyNumberFormat="1"/></cellXfs></styleSheet>"""


def cell(value, place):
    if isinstance(value, bool):
        return f'<c r="{place}" t="b"><v>{int(value)}</v></c>'
    if isinstance(value, tuple):  # the number of a day
        return f'<c r="{place}" s="{DATE_STYLE}"><v>{value[0]}</v></c>'
    if isinstance(value, str):
        return f'<c r="{place}" t="inlineStr"><is><t xml:space="preserve">{value}</t></is></c>'
    return f'<c r="{place}"><v>{value}</v></c>'


def write_sheets(path, **sheets):
    """A workbook with these sheets; a row is a list of cells, None leaves one out."""
    names = list(sheets)
    types = "".join(
        f'<Override PartName="/xl/worksheets/sheet{number}.xml" '
        'ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"/>'
        for number in range(1, len(names) + 1)
    )
    with zipfile.ZipFile(path, "w") as book:
        book.writestr(
            "[Content_Types].xml",
            '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
            '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
            '<Override PartName="/xl/workbook.xml" '
            'ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/>'
            f"{types}</Types>",
        )
        book.writestr(
            "_rels/.rels",
            f'<Relationships {PACKAGES}><Relationship Id="r0" Type="{RELATIONS}/officeDocument" '
            'Target="xl/workbook.xml"/></Relationships>',
        )
        listed = "".join(f'<sheet name="{name}" sheetId="{n}" r:id="r{n}"/>' for n, name in enumerate(names, 1))
        book.writestr(
            "xl/workbook.xml", f'<workbook {NAMESPACE} xmlns:r="{RELATIONS}"><sheets>{listed}</sheets></workbook>'
        )
        linked = "".join(
            f'<Relationship Id="r{n}" Type="{RELATIONS}/worksheet" Target="worksheets/sheet{n}.xml"/>'
            for n in range(1, len(names) + 1)
        )
        styles = f'<Relationship Id="s" Type="{RELATIONS}/styles" Target="styles.xml"/>'
        book.writestr("xl/_rels/workbook.xml.rels", f"<Relationships {PACKAGES}>{linked}{styles}</Relationships>")
        book.writestr("xl/styles.xml", STYLES)
        for number, rows in enumerate(sheets.values(), 1):
            lines = "".join(
                f'<row r="{row}">'
                + "".join(cell(value, f"{'ABCDEF'[at]}{row}") for at, value in enumerate(cells) if value is not None)
                + "</row>"
                for row, cells in enumerate(rows, 1)
            )
            book.writestr(
                f"xl/worksheets/sheet{number}.xml", f"<worksheet {NAMESPACE}><sheetData>{lines}</sheetData></worksheet>"
            )
    return path


def read(path, **how):
    records = read_records(str(path), Reading(**how))
    return [
        (where.rpartition(":")[2], str(record) if isinstance(record, FieldError) else record)
        for where, record in records
    ]


@pytest.mark.parametrize("name", ["a.xlsx", "a.dat"])
def test_the_first_sheet_is_read_as_its_csv(tmp_path, name):
    rows = [
        ["question", "answer", "references", "weight"],
        ["q", 12, '["12", "twelve"]', 0.5],
        [],
        ["day", (45658,), None, 1],
        [True, 0.25, None, None],
    ]
    path = write_sheets(tmp_path / name, Data=rows, Notes=[["x"]], More=[])
    said = []
    assert read(path, kind="xlsx", say=said.append) == [
        ("2", {"question": "q", "answer": "12", "references": ["12", "twelve"], "weight": 0.5}),
        ("4", {"question": "day", "answer": "2025-01-01", "weight": 1.0}),
        ("5", {"question": "TRUE", "answer": "0.25"}),
    ]
    assert said == [f"{path}: the sheet Data is read; left out: Notes, More"]


def test_a_cell_beside_the_header_is_an_error_of_its_row(tmp_path):
    path = write_sheets(tmp_path / "a.xlsx", S=[["a", "b"], ["1", "2"], ["1", "2", "3"]])
    assert read(path) == [("2", {"a": "1", "b": "2"}), ("3", 'expected 2 fields, got 3: ["1", "2", "3"]')]


def test_a_header_with_a_name_twice_is_refused(tmp_path):
    path = write_sheets(tmp_path / "a.xlsx", S=[["a", "a"], ["1", "2"]])
    with pytest.raises(UserError, match=r'a.xlsx:1: expected field names, each once, got \["a", "a"\]'):
        read(path)


def test_another_file_is_no_xlsx(tmp_path):
    (tmp_path / "a.xlsx").write_bytes(b"PK\x03\x04 damaged")
    with pytest.raises(UserError, match=r"a.xlsx: not XLSX: "):
        read(tmp_path / "a.xlsx")
    (tmp_path / "a.dat").write_bytes(b"PK\x03\x04 damaged")
    with pytest.raises(UserError, match=r"--input-kind names another file type, for example --input-kind xlsx"):
        read(tmp_path / "a.dat", has_flags=True)


def test_the_package_is_named_if_it_is_missing(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "python_calamine", None)
    with pytest.raises(UserError, match="XLSX needs the package python-calamine\nhint: pip install"):
        read(write_sheets(tmp_path / "a.xlsx", S=[["a"]]))
