"""Whole searches on real models and real data, one module each; `benchmarks.assets` fetches what they need.

`python -m benchmarks.real_runs.sentiment`, `…language` and `…images`. Run again with the same folder, each
goes on where it was stopped. docs/real-runs.md says what they do.
"""
