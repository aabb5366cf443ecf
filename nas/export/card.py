"""README.md: the model card of an exported folder."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import yaml

from nas.export.heads import auto_class_for, pipeline_of
from nas.export.modelling import modelling_name
from nas.export.pictures import architecture_picture, front_picture
from nas.supernet import Supernet
from search_spaces import SubnetConfig
from search_spaces.units import count

_HUB_ID: Final = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_METHOD: Final = (
    "Found by weight-sharing neural architecture search for structural pruning "
    "([Klein et al. 2024](https://arxiv.org/abs/2405.02267)) with "
    "[subnas](https://github.com/subnas/subnas)."
)
_RUNTIMES: Final = {
    "onnx": "`onnx/model.onnx` is the same model for ONNX Runtime, with open batch size and length.",
    "openvino": "`openvino/model.xml` is the same model for OpenVINO. On processors with bfloat16 units it "
    "computes in bfloat16 unless it is compiled with `INFERENCE_PRECISION_HINT` `f32`.",
}
_UNRECOVERED: Final = (
    "**Not fine-tuned after pruning.** All scores are those of the supernet's own weights, cut to this "
    "sub-network. A short fine-tuning or distillation usually raises them, and may change the order of "
    "sub-networks."
)


def model_card(supernet: Supernet, config: SubnetConfig, record: Mapping[str, Any]) -> str:
    """The text of README.md, from the record that nas.json holds."""
    name = _source_name(record)
    parts = [
        f"---\n{yaml.safe_dump(_front_matter(record), sort_keys=False, allow_unicode=True)}---",
        f"# Sub-network of {name}",
        f"A pruned {_text(record['model_type'])} model. {_METHOD}",
        _UNRECOVERED
        if record["recovery"] is None
        else f"Trained after pruning: {_text(record['recovery'])}.",
        "## How to load it",
        _loading(record),
        "## What was pruned",
        _table(("", "full model", "sub-network"), _architecture(supernet, config, record)),
        *architecture_picture(record),
        *_measurements(record),
        *front_picture(record),
        "## Where it comes from",
        _origin(record),
        "## Files",
        "`nas.json` has all of this and more for programs, `reference.safetensors` sample inputs with "
        "what the searched sub-network answers. `sha256sum -c SHA256SUMS` finds damaged files; "
        "`nas verify FOLDER` also loads the model and compares. Hashes are no signature.",
    ]
    return "\n\n".join(parts) + "\n"


def _front_matter(record: Mapping[str, Any]) -> dict[str, Any]:
    provenance = record["supernet"]["provenance"]
    source, licence = provenance.get("source"), provenance.get("license")
    pipeline = pipeline_of(record["task"], record["model_type"])
    entries: dict[str, Any] = {"library_name": "transformers", "pipeline_tag": pipeline}
    if isinstance(source, str) and _HUB_ID.fullmatch(source):
        entries |= {"base_model": source, "base_model_relation": "finetune"}
    if isinstance(licence, str):
        entries["license"] = licence
    tags = ["pruned", "neural-architecture-search", "subnas", record["model_type"]]
    return entries | {"tags": [*tags, "custom_code"] if _is_custom(record) else tags}


def _loading(record: Mapping[str, Any]) -> str:
    option, note = "", "It loads with the stock class of transformers."
    if _is_custom(record):
        option = ", trust_remote_code=True"
        note = (
            "Its blocks have sizes that no stock class can build, so transformers runs "
            f"`{modelling_name(record['model_type'])}` of this folder; read it first. Nothing else needs to "
            "be installed, and without the option loading fails."
        )
    auto_class = auto_class_for(record["task"], record["model_type"])
    imported = [auto_class] if record["probe"]["token_ids"] is None else [auto_class, "AutoTokenizer"]
    lines = [
        "```python",
        f"from transformers import {', '.join(imported)}",
        "",
        f'model = {auto_class}.from_pretrained("FOLDER"{option})',
    ]
    if record["probe"]["token_ids"] is not None:
        lines.append(f'tokenizer = AutoTokenizer.from_pretrained("FOLDER"{option})')
    parts = [f"Portability: **{record['portability']}**. {note}", "\n".join([*lines, "```"])]
    return "\n\n".join([*parts, *(_RUNTIMES[name] for name in record["formats"] if name in _RUNTIMES)])


def _architecture(supernet: Supernet, config: SubnetConfig, record: Mapping[str, Any]) -> list[Sequence[str]]:
    full, kept = supernet.shape, [units for units in config.layers if units is not None]
    layers, costs = full.layers, record["costs"]
    workload = costs["workload"]
    macs = f"MACs, {workload['batch_size']} x {workload['sequence_length']} tokens"
    rows: list[Sequence[str]] = [
        ("layers", str(len(layers)), f"{len(kept)} ({_numbers(list(config.kept_layers))})"),
        (
            "attention heads",
            _sizes([layer.num_attention_heads for layer in layers]),
            _sizes([units.num_attention_heads for units in kept]),
        ),
        (
            "FFN width",
            _sizes([layer.intermediate_size for layer in layers]),
            _sizes([count(units.ffn) for units in kept]),
        ),
        ("hidden size", str(full.hidden_size), str(count(config.hidden))),
    ]
    for title, name in (("parameters", "num_parameters"), (macs, "macs"), ("weight bytes", "weight_bytes")):
        before, after = costs["full"][name], costs["subnet"][name]
        rows.append((title, f"{before:,}", f"{after:,} ({after / before:.1%})"))
    return rows


def _measurements(record: Mapping[str, Any]) -> list[str]:
    counted = record["costs"]["subnet"]  # stand in the table of what was pruned
    metrics, baseline = (
        {name: value for name, value in record[side].items() if name not in counted}
        for side in ("metrics", "baseline")
    )
    if not metrics and not baseline:
        return []
    rows = [
        (_text(name), _number(baseline.get(name)), _number(metrics.get(name)))
        for name in [*metrics, *(name for name in baseline if name not in metrics)]
    ]
    parts = ["## What was measured", _table(("", "full model", "sub-network"), rows)]
    if record["data"] is not None:
        parts.append(f"Quality was measured on: {_pairs(record['data'])}.")
    if record["target"] is not None:
        parts.append(f"Latency was measured on: {_pairs(record['target'])}.")
    return parts


def _origin(record: Mapping[str, Any]) -> str:
    supernet = record["supernet"]
    lines = [
        ("full model", _source_name(record)),
        ("supernet weights (SHA-256)", f"`{supernet['sha256']}`"),
        ("importance", _pairs(supernet["ranking"]) if supernet["ranking"] else "not ranked"),
        ("study", _text(record["study"])),
        ("trial", _text(record["trial"])),
        ("proposed by", _text(record["origin"])),
        ("objectives", _text(", ".join(record["objectives"]) or None)),
        ("constraints", _text(", ".join(record["constraints"]) or None)),
        ("sub-network", f"`{record['key']}`"),
        ("made with", _pairs(record["versions"])),
    ]
    return "\n".join(f"- {name}: {value}" for name, value in lines if value != "-")


def _is_custom(record: Mapping[str, Any]) -> bool:
    return bool(record["portability"] == "custom-code")


def _source_name(record: Mapping[str, Any]) -> str:
    source = record["supernet"]["provenance"].get("source")
    if isinstance(source, str) and _HUB_ID.fullmatch(source):
        return f"[{source}](https://huggingface.co/{source})"
    return _text(source) if source else f"a {_text(record['model_type'])} model"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _sizes(sizes: Sequence[int]) -> str:
    """One number where all are equal, otherwise one a layer; a removed part is a dash."""
    if len(set(sizes)) == 1 and sizes[0]:
        return str(sizes[0])
    return ", ".join(str(size) if size else "–" for size in sizes) or "–"


def _numbers(indices: Sequence[int]) -> str:
    return f"numbers {', '.join(map(str, indices))} of the full model" if indices else "none"


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if float(value).is_integer() and abs(value) >= 1000 else f"{value:.6g}"


def _pairs(entries: Mapping[str, Any]) -> str:
    shown = {
        name: ", ".join(map(str, value)) if isinstance(value, list) else value
        for name, value in entries.items()
    }
    flat = [
        f"{name} ({_pairs(v)})" if isinstance(v, dict) else f"{name} {_text(v)}" for name, v in shown.items()
    ]
    return ", ".join(flat) or "-"


def _text(value: object) -> str:
    """A user's text on one line, with nothing that Markdown tables or HTML would read as their own."""
    if value is None:
        return "-"
    line = " ".join(str(value).split())
    return line.replace("&", "&amp;").replace("<", "&lt;").replace("|", "\\|")
