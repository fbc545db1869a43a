"""Tests of the report of an incident and of texts without real addresses."""
