from __future__ import annotations

import subprocess
import sys

import numpy as np

from napari_retseg.ranking import rank_bscans


def test_near_duplicates_do_not_both_come_first() -> None:
    descriptors = [[0.0, 0.0], [0.01, 0.0], [1.0, 0.0], [0.0, 1.2]]
    scores = [0.9, 0.89, 0.5, 0.4]
    # 0 is the most uncertain; 0.5 x 1 beats 0.4 x 1.2 and 0.89 x 0.01
    assert rank_bscans(scores, descriptors) == [0, 2, 3, 1]
    assert rank_bscans(scores, descriptors, n=2) == [0, 2]


def test_each_choice_is_uncertainty_times_distance_to_the_chosen(rng: np.random.Generator) -> None:
    scores, points = rng.random(30), rng.random((30, 5))
    chosen = [int(scores.argmax())]
    while len(chosen) < 30:
        gains = {
            i: scores[i] * min(np.linalg.norm(points[i] - points[j]) for j in chosen)
            for i in set(range(30)) - set(chosen)
        }
        chosen.append(max(gains, key=lambda i: gains[i]))
    assert rank_bscans(scores, points) == chosen


def test_ties_go_by_score_and_index() -> None:
    same = [[1.0]] * 4
    assert rank_bscans([0.2, 0.5, 0.5, 0.3], same) == [1, 2, 3, 0]
    assert rank_bscans([0.0, 0.0], [[0.0], [1.0]]) == [0, 1]
    assert rank_bscans([], []) == []
    assert rank_bscans([0.5], [[1.0]], n=5) == [0]


def test_the_viewer_can_rank_without_torch() -> None:
    code = "import sys, napari_retseg.ranking; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_what_is_known_counts_as_chosen(rng: np.random.Generator) -> None:
    scores, points = rng.random(20), rng.random((20, 4))
    order = rank_bscans(scores, points)
    left = [i for i in range(20) if i not in order[:3]]
    found = rank_bscans(scores[left], points[left], known=points[order[:3]])
    assert [left[i] for i in found] == order[3:]
    # also for the first: the more uncertain one is like what is known
    assert rank_bscans([0.9, 0.2], [[0.0], [1.0]], known=[[0.1]], n=1) == [1]
