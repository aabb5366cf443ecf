"""The commented config that `nas init` writes."""

from __future__ import annotations

_TEMPLATE = """\
# A search for sub-networks of a pretrained transformer.
# Check it with `nas config check`, see its cost with `nas space profile`, start it with `nas search run`.
# Every key can be set for one run: `--set search.trials=50`, or the variable NAS__SEARCH__TRIALS=50.

version: 1
name: my-search               # name of the study

model:
  id: path-or-hub-id          # a folder with safetensors, or a Hugging Face model id
  task: sequence-classification   # or regression
  num_labels: 2               # classes of the head
  revision: null              # commit of the model, for results that can be repeated

space:
  # uniform: one size for all layers    medium: heads and FFN width chosen for each layer
  # layer: each layer on or off         sublayer: attention and FFN of each layer on or off
  kind: uniform
  # A dimension left out takes all sizes that are legal for the model. Otherwise a list, or a range:
  # num_hidden_layers: {min: 2, max: 12}
  # num_attention_heads: {min: 2, max: 12}
  # intermediate_size: {min: 256, max: 3072, step: 256}
  # hidden_size: [384, 512, 768]
  portability: any            # plain: only sub-networks that stock transformers loads without custom code

supernet:
  importance: minitron        # ranking of heads, neurons, channels and layers; or a name for each axis
  train:                      # null searches the ranked model untrained
    strategy: sandwich_kd     # standard, random, sandwich or sandwich_kd
    passes: 2000              # forward/backward passes in all
    batch_size: 16
    learning_rate: 2.0e-5
    precision: float32        # float32, bfloat16 or float16
  checkpoint: null            # folder of a saved supernet to start from

data:                         # CSV, JSON lines or Parquet files, or the bundled `docstrings`
  train: train.csv
  validation: validation.csv  # sub-networks are scored on these examples
  test: null                  # scored for the final front only
  text: text                  # column names
  text_pair: null
  label: label
  max_length: 128             # tokens
  limit: 2000                 # examples of each file; null takes all

target:                       # the device that latency is measured on
  name: local
  backend: torch
  dtype: float32
  batch_size: 1
  sequence_length: 128
  threads: null               # CPU threads; null leaves the runtime's choice
  statistic: p50              # p50, p90 or p99

objectives: [max accuracy, min latency_ms]

# METRIC (<=|>=) NUMBER [UNIT] [* baseline], where baseline is the full model's value.
constraints:
  - num_parameters <= 0.6 * baseline
  # - latency_ms <= 8
  # - weight_bytes <= 45 MiB

search:
  sampler: nsga2              # nsga2, tpe or random
  trials: 200
  timeout: 4h                 # 90s, 30m, 4h; null for none
  parallel: 1                 # trials in flight at once
  max_failed: 10              # above it the search counts as failed
  seed: 0
  deterministic: false        # true: the same seed proposes the same trials, at some speed
  enqueue: [full, uniform_ladder]  # evaluated first; also smallest, middle, layer_drop

workers:
  kind: serial                # serial: this process; ray: a Ray cluster
  address: local              # for ray: auto joins a running cluster, local starts one, or HOST:PORT
  num_workers: null           # null takes search.parallel
  gpus_per_worker: 0.0

storage:
  url: sqlite:///nas.db       # put a password into NAS__STORAGE__URL, not here
  artifacts: artifacts

export:
  formats: [hf]               # hf, onnx
"""


def template() -> str:
    """A commented YAML config that loads as it is."""
    return _TEMPLATE
