"""The packets of one session: their bytes and remarks from the slice, their meaning from tshark.

``slices`` reads a slice without any help. ``dissection`` asks ``worker``, a process of its own that alone
imports pyshark, for the dissected trees. Wireshark's dissectors read what strangers sent, so they never run
in this process, always within limits, and what they say passes ``ctcpmon.text.clean``.
"""
