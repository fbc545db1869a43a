"""Tests of the time-sequence graph: its points against tshark, its painting, its screen."""
