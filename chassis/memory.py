"""The garbage collector of a process that has started."""

import gc

# Objects that are made before it looks for those that hold each other: a page of records makes
# thousands, and none of them does.
YOUNG_MAX = 20_000


def settle() -> None:
    """Leave out of every collection what is there now, which stays: to look through it takes a
    tenth of a second, in which nobody is answered.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_MAX, 10, 10)
