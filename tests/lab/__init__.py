"""A lab of our own: cTCP endpoints, real middleboxes and loss in network namespaces.

The truth of a run comes from the endpoints' logs and from the rule that dropped a segment, never from
the capture. Traffic stays inside namespaces that a run makes and removes. Needs root.
"""
