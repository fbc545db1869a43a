"""Tests of the packets of a session: the slice reader, the process that dissects, the command."""
