"""The terminal screens. The only package of ctcpmon that may import textual.

``app`` starts and ends a screen, ``screens`` hold one class each, ``widgets`` the parts they are
made of, ``painting`` turns a view into lines, ``source`` says where a view comes from. A view
(``view``) is frozen data without textual: widgets never see the engine.

Importing this package imports nothing, so that ``app`` can set what textual reads at its import.
"""
