"""The commented configs that `nas init` writes."""

from __future__ import annotations

from typing import Literal, TypeAlias

TemplateName: TypeAlias = Literal["full", "quick"]

_FULL = """\
# A search for sub-networks of a pretrained transformer.
# Check it with `nas config check`, see its cost with `nas space profile`, start it with `nas search run`.
# Every key can be set for one run: `--set search.trials=50`, or the variable NAS__SEARCH__TRIALS=50.
# Relative paths of the model, the data and the checkpoint start at this file's folder.

version: 1
name: my-search               # name of the study

model:
  id: path-or-hub-id          # a folder with safetensors, or a Hugging Face model id
  task: sequence-classification   # or another: see docs/tasks.md
  num_labels: 2               # classes of the head
  revision: null              # commit of the model, for results that can be repeated

space:
  # uniform: one size for all layers    joint: the same, with the FFN width as a share of hidden_size
  # medium: sizes chosen for each layer staged: uniform sizes first, then sizes for each layer
  # layer: each layer on or off         sublayer: attention and FFN of each layer on or off
  # large: each head and each group of neurons on or off
  kind: uniform
  # A dimension left out takes all sizes that are legal for the model. Otherwise a list, or a range:
  # num_hidden_layers: {min: 2, max: 12}
  # num_encoder_layers: [6]                 # instead, of a model with an encoder and a decoder
  # num_decoder_layers: {min: 1, max: 6}
  # num_attention_heads: {min: 2, max: 12}
  # num_key_value_heads: {min: 1, max: 4}   # instead, in grouped-query attention:
  # num_key_value_groups: {min: 1, max: 3}  # query heads of each key-value head
  # intermediate_size: {min: 256, max: 3072, step: 256}
  # ffn_ratio_percent: [100, 200, 300, 400]  # in the joint space, instead of intermediate_size
  # head_dim: [64]                          # in the joint space; heads cannot be cut narrower
  # hidden_size: [384, 512, 768]
  portability: any            # plain: only sub-networks that stock transformers loads without custom code
  align: null                 # sizes are multiples of it: 64, or {intermediate_size: 64, hidden_size: 8}
  frozen_layers: []           # layers that keep all heads and neurons, e.g. [0, 11]
  rules: []                   # e.g. [intermediate_size >= 2 * hidden_size, num_hidden_layers >= 4]
  ffn_group: null             # neurons a switch of the large space; null makes at most 16 switches a layer

supernet:
  importance: default         # ranking of heads, neurons, channels and layers; or a name for each axis
  calibration: 256            # examples used for the ranking
  finetune:                   # the full model, before the ranking: a fresh head needs it; null for none
    passes: 500
    examples: null            # instead of passes: examples seen, once a pass
    batch_size: 32
    accumulate: 1             # batches that count as one, a pass each, to save memory
    learning_rate: 1.0e-4
    precision: auto           # auto takes the faster of float32 and bfloat16
    frozen: []                # weights whose name contains one of these stay, e.g. [word_embeddings]
    gradient_checkpointing: false  # true computes activations twice, to save memory
    deterministic: false      # true takes only operations that give the same bits every time
  train:                      # the supernet, after the ranking; null searches it untrained
    # standard, random, random_linear, ats, sandwich, kd, sandwich_kd, sorted, layerdrop or progressive
    strategy: random
    passes: 2000              # forward/backward passes in all
    batch_size: 32
    learning_rate: 1.0e-4
    precision: auto
    frozen: []
    random_subnets: null      # random sub-networks a step; null takes the strategy's own number
    sampler: uniform          # of random sub-networks: uniform, stratified_params or grid_params
    trainable: all            # all, lora (adapters, merged at the end) or perp (biases, norms and head)
    lora: {rank: 8, alpha: 16.0, dropout: 0.0, targets: []}
    teacher: in-place         # the full network of the same step; frozen: a copy of it from before
    distillation: {labels: 1.0, logits: 1.0, hidden: 0.0, temperature: 1.0}
    ranks: 1                  # processes that share each batch, by Ray Train
  checkpoint: null            # folder of a saved supernet to start from

data:                         # local files; what they hold depends on the task: see docs/tasks.md
  train: train.csv
  validation: validation.csv  # sub-networks are scored on these examples
  test: null                  # scored for the final front only
  text: null                  # column of the text; null finds the usual names
  text_pair: null             # column of the second text of a pair
  label: null                 # column of the label, tags, target or score; null finds the usual names
  max_length: 128             # tokens of an example or block
  max_target_length: null     # of seq2seq-lm; null takes max_length
  score_range: null           # of feature-extraction, e.g. [0, 5]; null takes [0, 1]
  limit: 2000                 # examples of each file; null takes all

evaluation:
  metrics: []                 # e.g. [accuracy, f1]; empty takes the task's own
  batch_size: auto            # examples a forward pass; auto: little padding, bounded memory
  precision: auto             # bfloat16 where it is faster and scores the full model alike
  compensation: null          # e.g. {units: lstsq, layers: drop}: see docs/compensation.md

target:                       # the device that latency is measured on; `target: null` measures none
  name: local
  backend: torch              # torch (eager), torch_compile, onnxruntime or openvino: see docs/latency.md
  device: cpu                 # cpu, cuda or cuda:N
  dtype: float32              # float32, bfloat16 or float16
  batch_size: 1
  sequence_length: 128
  threads: 1                  # CPU threads of one call
  decode_length: 0            # tokens that a causal model generates after the sequence; 0: one forward pass
  labels: {}                  # of the Ray node to measure on, e.g. {device: edge}; empty for any node
  device_id: null             # of a device whose measurements were imported (docs/targets.md); null measures

objectives: [max accuracy, min latency_ms]

# METRIC (<=|>=) NUMBER [UNIT] [* baseline], where baseline is the full model's value.
constraints:
  - num_parameters <= 0.6 * baseline
  # - latency_ms <= 8
  # - weight_bytes <= 45 MiB

search:
  sampler: evolution          # evolution, tpe, nsga2, nsga3, gp, local_search, greedy, random or grid
  trials: 200                 # sub-networks to evaluate
  timeout: 4h                 # 90s, 30m, 4h; null for none
  max_failed: 10              # above it the search counts as failed
  seed: 0
  deterministic: false        # true: the same seed gives the same trials in every run, at some speed
  parallel: 4                 # sub-networks proposed at once in deterministic mode
  # stops evaluations that cannot reach the front (docs/racing.md); null evaluates all in full
  racing: {stages: [], confidence: 0.85, bound: normal, rescue: true}
  # evaluated first; the full model always is
  enqueue: [full, smallest, middle, uniform_ladder, layer_drop, knapsack, random]

recovery: null                # e.g. {top: 5, passes: 500}: trains the best after the search, docs/recovery.md

workers:
  kind: ray                   # ray: a Ray cluster; serial: this process
  address: local              # for ray: local starts one, auto joins a running cluster, or HOST:PORT
  num_workers: null           # null takes one a spare core, or what a cluster has room for
  gpus_per_worker: 0.0

storage:
  url: sqlite:///nas.db       # put a password into NAS__STORAGE__URL, not here
  artifacts: artifacts        # folder of checkpoints and exports

export:
  formats: [hf]               # hf: a Hugging Face folder, always written; also onnx, openvino
"""

_QUICK = """\
# A short search on one machine; `nas init --template full` writes every key with its default.
# Start it with `nas search run`; `nas config check` says what is missing.

version: 1
name: quick

model:
  id: path-or-hub-id          # a folder with safetensors, or a Hugging Face model id
  task: sequence-classification
  num_labels: 6               # classes of `data`; the bundled docstrings have 6

supernet:
  finetune: {passes: 200}     # trains the fresh head, so that the ranking means something
  train: {passes: 400}        # trains the sub-networks together

data:                         # which library wrote this sentence? Or your own train.csv and validation.csv
  train: docstrings
  validation: docstrings
  max_length: 64
  limit: 1000

target: {sequence_length: 64}

objectives: [max accuracy, min latency_ms]
constraints: ["num_parameters <= 0.8 * baseline"]

search: {trials: 40, timeout: 30m}
"""

_TEMPLATES: dict[TemplateName, str] = {"full": _FULL, "quick": _QUICK}


def template(name: TemplateName = "full") -> str:
    """A commented YAML config that loads as it is: every key, or the few that a short search needs."""
    return _TEMPLATES[name]
