"""Numbers that training shares with the engine, apart so that a machine without this package can train.

A test holds them to those of :mod:`orbitview.engines.lift.frustum`.
"""

RAYS = 128
"""Rays across and down the network's answer, and pixels of its picture."""
BINS = 64
"""Steps of depth."""
REACH = 0.85
"""Half the frustum's depth, in widths of the window at the object's centre."""
