"""What the search saves and finds: racing, wrong stops, searchers, overhead, and one search end to end.

`python -m benchmarks search` computes cells, each a line of `cells.jsonl` in its folder, and prints one
table. docs/search-benchmarks.md says what is measured.
"""
