"""MiniStack, started with the gaps closed that CloudApp would otherwise trip over.

Every module but `__main__`, `settings` and `gateway` is one patch of MiniStack 1.5.33: its docstring says which
gap it closes and why, and it has one `install()` function. The patches replace private functions, so the
version is pinned exactly in `requirements.txt`, and `tests/` has a smoke test for each of them.
"""
