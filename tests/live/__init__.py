"""Live capture on real interfaces: two network namespaces with a wire between them, made by the tests.

Nothing is sent anywhere else, and everything sent is bounded in number and time.
"""
