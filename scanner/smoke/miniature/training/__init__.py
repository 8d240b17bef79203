"""How the miniature was trained: ``python -m scanner.smoke.miniature.training DIR``.

One thread and fixed seeds: the same releases on the same kind of processor give the same bytes.
"""
