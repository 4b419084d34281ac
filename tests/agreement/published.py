"""Worked examples of the papers that the formulas come from."""

from __future__ import annotations

import numpy as np

#: Shrout and Fleiss, Psychol. Bull. 86:420, 1979, table 2: six targets by four judges.
RATINGS = np.array(
    [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]
)
#: Bland and Altman, Lancet 1:307, 1986, table 1: peak expiratory flow in l/min, first readings of
#: the Wright and of the mini Wright meter.
WRIGHT = (
    494, 395, 516, 434, 476, 557, 413, 442, 650, 433, 417, 656, 267, 478, 178, 423, 427,
)  # fmt: skip
MINI = (
    512, 430, 520, 428, 500, 600, 364, 380, 658, 445, 432, 626, 260, 477, 259, 350, 451,
)  # fmt: skip
