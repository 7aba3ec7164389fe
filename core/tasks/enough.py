"""What is enough to say something of a task: one rule for its badge, the Ready card, the figures of its exam and
its verdict.

Numbers are rows; shares are 0..1, of the exam rows or (contradicting, cut) of the practice rows. Whatever of these
keeps a verdict from "ready" is told by badge and Ready card before anything is trained.
"""

from __future__ import annotations

FEW_EXAM = 20  # below, no difference is called sure and no task ready
FEW_PRACTICE = 20
SOME_EXAM, SOME_PRACTICE = 30, 50  # below, worth a remark
LEAKY = 0.1
CONTRADICTING = 0.1
UNSEEN = 0.1
CUT = 0.2
