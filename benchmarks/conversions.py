"""Published weights in other formats, turned into model folders.

`python -m benchmarks.conversions FORMAT FROM TO`
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, Final

#: The first part of each name in the exported graph of DINOv2, and what transformers 5 calls it.
_RENAMED: Final = {
    "attention.attention.query": "attention.q_proj",
    "attention.attention.key": "attention.k_proj",
    "attention.attention.value": "attention.v_proj",
    "attention.output.dense": "attention.o_proj",
}
_BACKBONE: Final = "backbone"
#: Nodes whose first input is a weight that the exporter folded into an unnamed constant.
_CLASS_POSITION_NODE: Final = "/backbone/embeddings/Concat_6"
_GRID_POSITION_NODE: Final = "/backbone/embeddings/Reshape_1"
#: Source: ImageNet's mean and deviation, which DINOv2 was trained with.
IMAGE_MEAN: Final = (0.485, 0.456, 0.406)
IMAGE_STD: Final = (0.229, 0.224, 0.225)


def convert_gguf(source: Path, folder: Path) -> None:
    """A causal language model in one GGUF file as fp16 safetensors, with tokenizer and chat template.

    Needs the packages `gguf` and `accelerate`.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    where: dict[str, Any] = {"gguf_file": source.name}
    tokenizer = AutoTokenizer.from_pretrained(str(source.parent), **where)
    model = AutoModelForCausalLM.from_pretrained(
        str(source.parent), dtype=torch.float16, quantization_config=GgufConfig(dequantize=True), **where
    )
    if getattr(model.config, "quantization_config", None) is not None:
        del model.config.quantization_config
    model.generation_config.do_sample = False
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def convert_dinov2(source: Path, folder: Path, *, num_attention_heads: int = 6) -> None:
    """The DINOv2 backbone inside an ONNX graph as a model folder with its image processor's settings.

    Needs the package `onnx`.
    """
    import torch
    from transformers import Dinov2Config, Dinov2Model

    weights = read_dinov2(source)
    layers = 1 + max(int(name.split(".")[2]) for name in weights if name.startswith("encoder.layer."))
    hidden_size, _, patch_size, _ = weights["embeddings.patch_embeddings.projection.weight"].shape
    side = round((weights["embeddings.position_embeddings"].shape[1] - 1) ** 0.5)
    config = Dinov2Config(
        hidden_size=hidden_size,
        num_hidden_layers=layers,
        num_attention_heads=num_attention_heads,
        mlp_ratio=weights["encoder.layer.0.mlp.fc1.weight"].shape[0] // hidden_size,
        patch_size=patch_size,
        image_size=side * patch_size,
        use_mask_token=False,
    )
    model = Dinov2Model(config)
    model.load_state_dict({name: torch.from_numpy(weight.copy()) for name, weight in weights.items()})
    model.save_pretrained(folder)
    settings = {
        "image_processor_type": "BitImageProcessor",
        "do_center_crop": False,
        "do_normalize": True,
        "do_rescale": True,
        "do_resize": True,
        "image_mean": IMAGE_MEAN,
        "image_std": IMAGE_STD,
        "rescale_factor": 1 / 255,
        "size": {"height": 224, "width": 224},
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")


def read_dinov2(source: Path) -> dict[str, Any]:
    """The backbone's weights as arrays by their names in transformers 5.

    Biases and norms keep their names in the graph; matrices are found by the node that multiplies by them.
    """
    import numpy as np
    import onnx

    graph = onnx.load(str(source)).graph
    arrays = {item.name: onnx.numpy_helper.to_array(item) for item in graph.initializer}
    weights: dict[str, Any] = {}
    for name, array in arrays.items():
        if name.startswith(f"{_BACKBONE}."):
            weights[_renamed(name.removeprefix(f"{_BACKBONE}."))] = array
    for node in graph.node:
        if node.op_type == "MatMul" and node.name.startswith(f"/{_BACKBONE}/") and node.input[1] in arrays:
            path = node.name.removeprefix(f"/{_BACKBONE}/").removesuffix("/MatMul").replace("/", ".")
            weights[_renamed(f"{path}.weight")] = arrays[node.input[1]].T
    first_inputs = {node.name: node.input[0] for node in graph.node if node.input}
    positions = [arrays[first_inputs[name]] for name in (_CLASS_POSITION_NODE, _GRID_POSITION_NODE)]
    weights["embeddings.position_embeddings"] = np.concatenate(positions, axis=1)
    return weights


def _renamed(name: str) -> str:
    for old, new in _RENAMED.items():
        name = name.replace(old, new)
    return name


CONVERSIONS: Final = {"gguf": convert_gguf, "dinov2": convert_dinov2}


if __name__ == "__main__":
    CONVERSIONS[sys.argv[1]](Path(sys.argv[2]), Path(sys.argv[3]))
