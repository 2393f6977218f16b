"""Sprites move by quarters of a pixel, and shadows start at the foot."""

import numpy as np

from rheostat.share.camera.brush import FINE, Brush
from rheostat.share.camera.things import KINDS, Look, draw


def bar() -> Brush:
    brush = Brush(10, 12, 1)
    brush.box(3, 0, 5, 12, (200, 100, 0))
    return brush


def test_a_sprite_moves_by_a_quarter_of_a_pixel() -> None:
    layers = [bar().sprite().at(step) for step in range(FINE)]
    places = [(layer.alpha.sum(axis=0) @ np.arange(11)) / layer.alpha.sum() for layer in layers]
    assert np.allclose(np.diff(places), 1 / FINE, atol=0.01)
    assert all(np.isclose(layer.alpha.sum(), 24, atol=0.1) for layer in layers)


def test_colour_is_times_alpha() -> None:
    layer = bar().sprite().at(2)
    assert np.allclose(layer.alpha[5], [0, 0, 0, 0.5, 1, 0.5, 0, 0, 0, 0, 0], atol=0.01)
    assert np.allclose(layer.colour[5], layer.alpha[5][:, None] * (200, 100, 0), atol=2)


def test_a_shadow_leans_from_the_foot() -> None:
    sprite = bar().sprite()
    upright, right, left = (sprite.shadow(lean) for lean in (0, 8, -8))

    def middle(row: np.ndarray) -> float:
        return float(row @ np.arange(len(row)) / row.sum())

    assert abs(middle(upright[0]) - middle(upright[-1])) < 0.1
    assert middle(right[0]) - middle(right[-1]) > 4
    assert middle(left[-1]) - middle(left[0]) > 4


def test_every_kind_is_drawn_to_its_size_and_flips() -> None:
    for name, kind in KINDS.items():
        look = Look(name, (200, 30, 30), variety=3)
        sprite, flipped = draw(look, 1.0), draw(Look(name, (200, 30, 30), left=True, variety=3), 1.0)
        assert sprite.size == (kind.length, kind.height)
        alpha = sprite.at(0).alpha
        assert alpha[-2:].any()  # it stands on the ground
        if kind.poses == 1:
            assert alpha.any(axis=0).mean() > 0.9  # and fills its length
        assert np.array_equal(flipped.at(0).alpha[:, :-1], alpha[:, -2::-1])


def test_poses_differ() -> None:
    for name, kind in KINDS.items():
        poses = [draw(Look(name, (200, 30, 30), pose=pose), 1.0).at(0).alpha for pose in range(kind.poses)]
        assert kind.poses == 1 or any(not np.array_equal(poses[0], other) for other in poses[1:]), name
