from __future__ import annotations

import itertools

from nas.report.labels import Box, place_labels, text_box

_FRAME = Box(left=0, top=0, right=600, bottom=400)


def placed(anchors, texts, obstacles=()):
    sides = place_labels(anchors, texts, list(obstacles), frame=_FRAME, font_size=13)
    return [text_box(a, t, side, font_size=13) for a, t, side in zip(anchors, texts, sides, strict=True)]


def test_a_label_with_room_lies_on_the_right():
    assert place_labels([(100, 100)], ["full model"], [], frame=_FRAME, font_size=13) == [(1, 0)]


def test_a_label_at_the_right_edge_stays_inside():
    assert placed([(590, 200)], ["full model"])[0].outside(_FRAME) == 0


def test_a_label_avoids_a_point_beside_it():
    point = Box(left=120, top=90, right=140, bottom=110)
    assert placed([(100, 100)], ["full model"], [point])[0].overlap(point) == 0


def test_labels_of_near_points_do_not_cover_each_other():
    boxes = placed([(300, 200), (304, 200), (300, 204)], ["full model", "layer-drop", "ladder"])
    assert all(one.overlap(other) == 0 for one, other in itertools.combinations(boxes, 2))


def test_where_all_sides_are_taken_the_lightest_is_covered():
    walls = [Box(left=0, top=0, right=300, bottom=400, weight=5), Box(left=300, top=0, right=600, bottom=400)]
    assert placed([(300, 200)], ["full model"], walls)[0].left >= 300
