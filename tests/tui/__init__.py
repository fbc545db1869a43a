"""Tests of the screens: a fake source, except in ``test_real_program``."""
