"""How many layers are tried, with as many steps each, and which number is taken."""

from small_teacher import WIDTH

from offline.student.depth import Depth, chosen_depth, depths_of, try_depths
from offline.student.network import Student
from offline.student.shape import Shape

SMALL = Shape(9, 9, 0, 4, 2, 8, 12, 4, 1e-12, "gelu", "mean")


def test_no_more_layers_are_tried_than_a_query_can_afford() -> None:
    def shape(hidden: int, layers: int) -> Shape:
        return Shape(9, 9, 0, hidden, 2, 4 * hidden, layers, WIDTH, 1e-12, "gelu", "mean")

    assert depths_of(shape(384, 6)) == [1, 2, 3]
    assert depths_of(shape(1024, 24)) == [1]
    assert depths_of(shape(32, 2)) == [1, 2]
    assert depths_of(shape(32, 12)) == [1, 2, 3, 4, 5, 6]


def test_fewer_layers_are_taken_where_more_bring_little() -> None:
    def depth(layers: int, cosine: float) -> Depth:
        return Depth(layers, cosine, 1.0, 60, {})

    assert chosen_depth([depth(1, 0.66), depth(2, 0.72), depth(3, 0.75)]).layers == 3
    assert chosen_depth([depth(1, 0.60), depth(2, 0.745), depth(3, 0.75)]).layers == 2


def test_every_depth_is_tried_once() -> None:
    asked = []

    def course(layers: int) -> tuple[Student, Depth]:
        asked.append(layers)
        return Student(SMALL), Depth(layers, 0.5 + layers / 10, 1.0, 17, {})

    _, best, tried = try_depths([1, 2, 3], course)
    assert asked == [1, 2, 3]
    assert [depth.layers for depth in tried] == [1, 2, 3]
    assert best.layers == 3
