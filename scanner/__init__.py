"""Weighhouse's engine: reads Stable Diffusion model files without ever unpickling them.

The package stands alone: it knows nothing of Django, Celery or the registry, and can be
used from the command line as ``python -m scanner``.
"""

__version__ = "0.1.0"
