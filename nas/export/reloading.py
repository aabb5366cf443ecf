"""The program of the fresh process: reads a folder as its users will, without this project.

It is run as a file by `nas.export.fresh_process` and imports nothing of ours; arguments are one JSON object.
"""

from __future__ import annotations

import importlib.abc
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

BLOCKED = ("nas", "search_spaces", "storage", "workers")


class OwnPackagesRefused(importlib.abc.MetaPathFinder):
    """Makes our packages impossible to import, installed or not."""

    def find_spec(self, fullname: str, path: Sequence[str] | None = None, target: Any = None) -> None:
        """Refuse ours, leave everything else to the next finder."""
        del path, target
        if fullname.partition(".")[0] in BLOCKED:
            raise ModuleNotFoundError(f"{fullname} must not be needed to load an exported folder")


def main(request: dict[str, Any]) -> None:
    """Load a folder, run its reference inputs, write what came out."""
    sys.meta_path.insert(0, OwnPackagesRefused())
    import torch
    import transformers
    from safetensors.torch import load_file, save_file

    folder, output = Path(request["folder"]), Path(request["output"])
    model, keys = getattr(transformers, request["auto_class"]).from_pretrained(
        str(folder),
        dtype=torch.float32,
        use_safetensors=True,
        local_files_only=True,
        output_loading_info=True,
        trust_remote_code=request["is_custom"],
    )
    tensors = load_file(folder / request["reference"])
    batches = [_named(tensors, f"{prefix}inputs.") for prefix in request["batches"]]
    outputs = {"generated.": _generate(model.eval(), tensors, request["generation"])}
    outputs["torch."] = _run(lambda inputs: _output(model, inputs), batches)
    for runtime in request["runtimes"]:
        outputs[f"{runtime}."] = _run(RUNTIMES[runtime](folder), batches)
    answers = {kind + name: value for kind, found in outputs.items() for name, value in found.items()}
    save_file({name: tensor.contiguous() for name, tensor in answers.items()}, output / "answers.safetensors")
    answer = {
        "num_parameters": sum(parameter.numel() for parameter in model.parameters()),
        "class": type(model).__name__,
        "keys": {name: sorted(map(str, found)) for name, found in keys.items()},
        "token_ids": _tokenize(request),
    }
    (output / "answer.json").write_text(json.dumps(answer), encoding="utf-8")


def open_onnx(folder: Path) -> Callable[[Mapping[str, Any]], Any]:
    """ONNX Runtime on the processor."""
    import onnxruntime
    import torch

    path = folder / "onnx" / "model.onnx"
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [value.name for value in session.get_inputs()]
    output = _main_output({value.name for value in session.get_outputs()})

    def run(inputs: Mapping[str, Any]) -> Any:
        feed = {name: inputs[name].numpy() for name in names}
        return torch.from_numpy(session.run([output], feed)[0])

    return run


def open_openvino(folder: Path) -> Callable[[Mapping[str, Any]], Any]:
    """OpenVINO on the processor; it would compute in bfloat16 where that is faster."""
    import openvino
    import torch

    path = folder / "openvino" / "model.xml"
    options = {"INFERENCE_PRECISION_HINT": "f32"}
    compiled = openvino.Core().compile_model(str(path), "CPU", options)
    names = [port.get_any_name() for port in compiled.inputs]
    output = _main_output({name for port in compiled.outputs for name in port.get_names()})

    def run(inputs: Mapping[str, Any]) -> Any:
        outputs = compiled({name: inputs[name].numpy() for name in names})
        return torch.from_numpy(outputs[output].copy())

    return run


RUNTIMES = {"onnx": open_onnx, "openvino": open_openvino}


def _main_output(names: set[str]) -> str:
    return "logits" if "logits" in names else "last_hidden_state"


def _run(ask: Callable[[Mapping[str, Any]], Any], batches: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    import torch

    with torch.inference_mode():
        return {str(number): ask(inputs) for number, inputs in enumerate(batches)}


def _output(model: Any, inputs: Mapping[str, Any]) -> Any:
    outputs = model(**inputs)
    logits = getattr(outputs, "logits", None)
    return outputs.last_hidden_state if logits is None else logits


def _generate(model: Any, tensors: Mapping[str, Any], options: dict[str, Any] | None) -> dict[str, Any]:
    from transformers import GenerationMixin

    if options is None:
        return {}
    prompt, number = _named(tensors, "prompt."), options["max_new_tokens"]
    return {
        name: GenerationMixin.generate(model, **prompt, **options, use_cache=use_cache)[:, -number:]
        for name, use_cache in (("cached", True), ("uncached", False))
    }


def _named(tensors: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _tokenize(request: dict[str, Any]) -> list[int] | None:
    from transformers import AutoTokenizer

    if request["text"] is None:
        return None
    tokenizer = AutoTokenizer.from_pretrained(
        request["folder"], local_files_only=True, trust_remote_code=False
    )
    return list(tokenizer(request["text"])["input_ids"])


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
