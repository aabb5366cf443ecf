"""Which importance and which training strategy make the best supernets at equal passes.

`python -m benchmarks study_of_studies` computes cells, one a task, importance, strategy and seed, and prints
tables of those that are done. `python -m benchmarks recovered` prunes, searches and recovers within three
budgets of parameters. docs/study-of-studies.md says what is measured.
"""
