"""The program of the fresh process: reads a folder as its users will, without this project.

It is run as a file by `nas.export.fresh_process` and imports nothing of ours; arguments are one JSON object.
"""

from __future__ import annotations

import importlib.abc
import json
import sys
from collections.abc import Sequence
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
    from safetensors.torch import load_file, save_file
    from transformers import AutoModelForSequenceClassification

    folder, output = Path(request["folder"]), Path(request["output"])
    model, keys = AutoModelForSequenceClassification.from_pretrained(
        str(folder),
        dtype=torch.float32,
        use_safetensors=True,
        local_files_only=True,
        output_loading_info=True,
        trust_remote_code=request["is_custom"],
    )
    tensors = load_file(folder / request["reference"])
    inputs = {name[7:]: tensor for name, tensor in tensors.items() if name.startswith("inputs.")}
    with torch.inference_mode():
        logits = model.eval()(**inputs).logits
    save_file({"logits": logits.contiguous()}, output / "logits.safetensors")
    answer = {
        "num_parameters": sum(parameter.numel() for parameter in model.parameters()),
        "class": type(model).__name__,
        "keys": {name: sorted(map(str, found)) for name, found in keys.items()},
        "token_ids": _tokenize(request),
    }
    (output / "answer.json").write_text(json.dumps(answer), encoding="utf-8")


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
