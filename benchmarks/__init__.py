"""Ratios that the project promises, measured side by side: `python -m benchmarks [NAME ...]`.

Each module named in `benchmarks.registry.NAMES` has one function `run(*, quick)` that returns rows.
"""
