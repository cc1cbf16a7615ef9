"""The table of the text encoder: a row a depth that was tried, the one of the bundle last; nothing without one."""

from offline.report.blocks import Gallery, Table
from offline.report.sections.student import student_blocks

FIGURES = {"width": 128, "megabytes": 17.68, "ms_6_tokens": 0.3, "ms_12_tokens": 0.6, "overlap_at_10": 0.6}


def test_without_a_student_there_is_nothing() -> None:
    assert student_blocks(None) == []


def test_every_depth_has_a_row_and_the_chosen_one_is_filled() -> None:
    tried = [
        {"layers": layers, "cosine": cosine, "seconds": 9.0, "figures": FIGURES}
        for layers, cosine in ((1, 0.66), (2, 0.72))
    ]
    student = FIGURES | {"layers": 2, "cosine_to_teacher": 0.9, "cosine_to_exact": 0.995, "tried": tried}
    table, gallery = student_blocks(student)
    assert isinstance(table, Table)
    assert isinstance(gallery, Gallery)
    assert [row.cells[0] for row in table.rows] == [
        "1, after the short course",
        "2, after the short course",
        "2, in the bundle",
    ]
    assert len(table.rows[-1].cells) == len(table.columns)
    assert "2: 0.6" in gallery.plots[0].svg
    assert "0.7200 (chosen)" in gallery.plots[0].svg


def test_a_student_that_went_on_from_another_has_a_table_alone() -> None:
    (table,) = student_blocks(FIGURES | {"layers": 3, "tried": []})
    assert isinstance(table, Table)
    assert len(table.rows) == 1
