import dataclasses

import pytest

from keras_cakes.runs.commands import main as cli
from keras_cakes.runs.commands import tables as paper_tables


@pytest.fixture(scope="module")
def rows():
    return list(paper_tables.paper_rows())


def test_every_count_is_the_known_one(rows):
    assert len(rows) == 6 + 11 + 3 + 6
    assert [row.name for row in rows if not row.is_exact] == []


def test_counts_agree_with_what_is_printed(rows):
    for row in rows:
        # 16 frames are printed as twice the rounded figure of 8.
        digits = 0.005 if row.table.startswith("1") else 0.05
        if row.printed_params is not None:
            assert abs(row.params / 1e6 - row.printed_params) < digits, row
        if row.printed_flops is not None:
            digits *= 2 if row.table.startswith("4") else 1
            assert abs(row.flops - row.printed_flops) < digits, row


def test_command(rows, capsys, monkeypatch):
    monkeypatch.setattr(paper_tables, "paper_rows", lambda: iter(rows))
    assert cli.main(["tables"]) == 0
    printed = capsys.readouterr().out
    assert "38,499,483,648" in printed and "NOT" not in printed
    wrong = [*rows[:2], dataclasses.replace(rows[2], macs=1)]
    monkeypatch.setattr(paper_tables, "paper_rows", lambda: iter(wrong))
    assert cli.main(["tables"]) == 1
    assert "NOT THE KNOWN COUNT" in capsys.readouterr().out
