import numpy as np
import pytest

from keras_cakes import evaluation

MATRIX = np.array([[6, 2, 0], [0, 0, 0], [1, 0, 3]])
NAMES = ["sit", "stand", "walk"]


def _texts(axis):
    return {
        tuple(int(place) for place in text.get_position()): text.get_text()
        for text in axis.texts
    }


def test_cells_hold_counts_and_shares():
    figure = evaluation.plot_confusion(MATRIX, NAMES, title="C3D")
    axis = figure.axes[0]
    # By column and row.
    assert _texts(axis) == {
        (0, 0): "6\n75.0 %",
        (1, 0): "2\n25.0 %",
        (2, 0): "0",
        (0, 2): "1\n25.0 %",
        (1, 2): "0",
        (2, 2): "3\n75.0 %",
    }
    shares = axis.images[0].get_array()
    np.testing.assert_array_equal(shares[0], [0.75, 0.25, 0])
    assert shares.mask[1].all() and not shares.mask[[0, 2]].any()
    assert axis.images[0].get_clim() == (0, 1)
    assert [t.get_text() for t in axis.get_yticklabels()] == [
        "sit (8)",
        "stand (0)",
        "walk (4)",
    ]
    assert [t.get_text() for t in axis.get_xticklabels()] == NAMES
    assert axis.get_xlabel() == "predicted class"
    assert axis.get_ylabel() == "true class (clips)"
    assert axis.get_title() == "C3D: 75.0 % of 12 clips are right"
    figure.canvas.draw()


def test_text_can_be_read_on_its_colour():
    axis = evaluation.plot_confusion(MATRIX, NAMES).axes[0]
    colours = [text.get_color() for text in axis.texts]
    assert colours[:3] == ["white", "black", "#aaaaaa"]


@pytest.mark.parametrize("classes", [20, 21, 174])
def test_many_classes_have_numbers_beside_their_names(classes):
    matrix = np.random.default_rng(0).integers(0, 9, (classes, classes))
    names = [f"class {number} of a long name " * 3 for number in range(classes)]
    figure = evaluation.plot_confusion(matrix, names)
    axis = figure.axes[0]
    many = classes > 20
    assert len(axis.texts) == (0 if many else 400)
    rows = [text.get_text() for text in axis.get_yticklabels()]
    columns = [text.get_text() for text in axis.get_xticklabels()]
    assert len(rows) == classes
    # Numbers stand above and below.
    assert len(columns) == (2 * classes if many else classes)
    assert columns[-1] == str(classes - 1) if many else columns[-1][-1] == "…"
    assert all("…" in row and len(row) < 60 for row in rows)
    # At least 6 points, and no line upon the next.
    figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in axis.get_yticklabels()]
    assert min(text.get_fontsize() for text in axis.get_yticklabels()) >= 6
    assert all(
        below.y1 <= above.y0 + 1
        for above, below in zip(boxes, boxes[1:], strict=False)
    )
    assert boxes[0].x0 >= 0


def test_what_is_no_confusion_matrix_is_refused():
    for matrix in (
        MATRIX[:2],
        MATRIX.astype(float),
        -MATRIX,
        0 * MATRIX,
        MATRIX[:1, :1],
        MATRIX[0],
    ):
        with pytest.raises(ValueError, match="`matrix` is expected.*Received"):
            evaluation.plot_confusion(matrix, NAMES)
    for names in (NAMES[:2], "abc"):
        with pytest.raises(ValueError, match="name 3 classes. Received: "):
            evaluation.plot_confusion(MATRIX, names)
