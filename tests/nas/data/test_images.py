from __future__ import annotations

import gzip
import struct
import sys

import numpy as np
import pytest

from nas.data import Images, ImageSettings, encode_features, encode_images, load_images
from nas.errors import ConfigError

PIXELS = np.arange(3 * 4 * 4, dtype=np.uint8).reshape(3, 4, 4) * 5
LABELS = np.array([1, 0, 1])
PLAIN = ImageSettings(image_size=(4, 4), mean=(0.0,), std=(1.0,), rescale_factor=1.0)


def idx(array: np.ndarray) -> bytes:
    header = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
    return header + array.astype(np.uint8).tobytes()


def images(pixels: np.ndarray = PIXELS, labels: np.ndarray = LABELS) -> Images:
    return Images(pixels=pixels, labels=labels, label_names=("no", "yes"))


def test_an_npz_file_holds_images_and_labels(tmp_path):
    np.savez(tmp_path / "train.npz", images=PIXELS, labels=LABELS)
    read = load_images(tmp_path / "train.npz")
    assert (read.pixels == PIXELS).all()
    assert read.labels.tolist() == [1, 0, 1]
    assert read.label_names == ("0", "1")


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_idx_files_have_their_labels_beside_them(tmp_path, suffix):
    pack = gzip.compress if suffix else bytes
    (tmp_path / f"train-images-idx3-ubyte{suffix}").write_bytes(pack(idx(PIXELS)))
    (tmp_path / f"train-labels-idx1-ubyte{suffix}").write_bytes(pack(idx(LABELS)))
    read = load_images(tmp_path / f"train-images-idx3-ubyte{suffix}", label_names=["shirt", "shoe"])
    assert (read.pixels == PIXELS).all()
    assert read.labels.tolist() == [1, 0, 1]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (idx(PIXELS)[:-1], "has 47 values, its header says"),
        (b"\x00\x00\x0d\x01\x00\x00\x00\x00", "not an IDX file of unsigned bytes"),
        (b"\x00", "not a readable IDX file"),
    ],
)
def test_a_damaged_idx_file_is_refused(tmp_path, data, message):
    (tmp_path / "images-idx3-ubyte").write_bytes(data)
    (tmp_path / "labels-idx1-ubyte").write_bytes(idx(LABELS))
    with pytest.raises(ConfigError, match=message):
        load_images(tmp_path / "images-idx3-ubyte")


def test_idx_images_without_labels_are_refused(tmp_path):
    (tmp_path / "images-idx3-ubyte").write_bytes(idx(PIXELS))
    with pytest.raises(ConfigError, match=r"there is no file .*labels-idx1-ubyte"):
        load_images(tmp_path / "images-idx3-ubyte")


@pytest.fixture
def folder(tmp_path):
    image = pytest.importorskip("PIL.Image", reason="Pillow reads image files")
    for number, (pixels, label) in enumerate(zip(PIXELS, LABELS, strict=True)):
        (tmp_path / f"class{label}").mkdir(exist_ok=True)
        image.fromarray(pixels).save(tmp_path / f"class{label}" / f"{number}.png")
    return tmp_path


def test_a_folder_has_one_folder_a_class(folder):
    read = load_images(folder)
    assert read.label_names == ("class0", "class1")
    assert read.labels.tolist() == [0, 1, 1]
    assert (read.pixels == PIXELS[[1, 0, 2]]).all()


def test_a_folder_that_is_no_class_is_refused(folder):
    with pytest.raises(ConfigError, match="a folder 'class1' that is no class; allowed: class0"):
        load_images(folder, label_names=["class0"])


def test_without_pillow_the_install_command_is_given(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL.Image", None)
    with pytest.raises(ConfigError, match=r'pip install "subnas\[images\]"'):
        load_images(folder)


def test_images_of_two_sizes_are_refused(folder):
    image = pytest.importorskip("PIL.Image")
    image.fromarray(PIXELS[0][:2]).save(folder / "class1" / "9.png")
    with pytest.raises(ConfigError, match=r"has shape \(2, 4\), the first image \(4, 4\)"):
        load_images(folder)


@pytest.mark.parametrize("name", ["missing.npz", "images.tar"])
def test_a_source_that_cannot_be_read_is_refused(tmp_path, name):
    if name.endswith(".tar"):
        (tmp_path / name).touch()
    with pytest.raises(ConfigError, match=r"no file or folder|unknown format"):
        load_images(tmp_path / name)


def test_an_npz_file_without_labels_is_refused(tmp_path):
    np.savez(tmp_path / "t.npz", images=PIXELS)
    with pytest.raises(ConfigError, match="no array 'labels'; it has images"):
        load_images(tmp_path / "t.npz")


@pytest.mark.parametrize(
    ("pixels", "labels", "message"),
    [
        (PIXELS[:2], LABELS, "2 images and labels of shape"),
        (PIXELS, LABELS + 1, "has the class 2; allowed: 0 to 1"),
        (PIXELS.astype(np.int32), LABELS, "of type int32; allowed are uint8"),
        (PIXELS[..., None].repeat(2, -1), LABELS, "with 1 or 3 channels"),
    ],
)
def test_arrays_that_are_no_images_are_refused(pixels, labels, message):
    with pytest.raises(ConfigError, match=message):
        images(pixels, labels)


# Encoding


def test_bytes_are_rescaled_and_normalised(tmp_path):
    settings = ImageSettings(image_size=(4, 4), mean=(0.5, 0.4, 0.3), std=(0.5, 0.2, 0.1))
    batch = encode_images(images(), settings).batch([2, 0])
    grey = PIXELS[[2, 0]].astype(np.float64) / 255
    expected = np.stack([(grey - 0.5) / 0.5, (grey - 0.4) / 0.2, (grey - 0.3) / 0.1], axis=1)
    # Scale and offset in float32 instead of three steps.
    np.testing.assert_allclose(batch.inputs["pixel_values"].numpy(), expected, atol=1e-5)
    assert batch.labels.tolist() == [1, 1]


def test_bytes_are_kept_as_bytes():
    data = encode_images(images(), PLAIN)
    assert data.arrays.dtype == np.uint8
    assert not data.arrays.flags.writeable


def test_float_images_are_not_rescaled():
    settings = ImageSettings(image_size=(4, 4), mean=(0.5,), std=(0.5,))
    data = encode_images(images((PIXELS / 255).astype(np.float32)), settings)
    expected = (PIXELS / 255 - 0.5) / 0.5
    np.testing.assert_allclose(data.batch([0]).inputs["pixel_values"][0, 0].numpy(), expected[0], atol=1e-6)


def test_channels_last_images_become_channels_first():
    colour = np.stack([PIXELS, PIXELS + 1, PIXELS + 2], axis=-1)
    settings = ImageSettings(image_size=(4, 4), mean=(0.0,) * 3, std=(1.0,) * 3, rescale_factor=1.0)
    batch = encode_images(images(colour), settings).batch([1])
    assert (batch.inputs["pixel_values"][0, 2].numpy() == PIXELS[1] + 2).all()


def test_images_are_brought_to_the_model_s_size():
    flat = np.full((2, 4, 4), 7, np.uint8)
    settings = ImageSettings(image_size=(8, 6), mean=(0.0,), std=(1.0,), rescale_factor=1.0)
    data = encode_images(images(flat, LABELS[:2]), settings)
    assert data.arrays.shape == (2, 1, 8, 6)
    assert (data.arrays == 7).all()


def test_colour_images_for_a_grey_model_are_refused():
    with pytest.raises(ConfigError, match="images have 3 channels, the model 1"):
        encode_images(images(np.stack([PIXELS] * 3, axis=-1)), PLAIN)


def test_the_hash_of_images_names_pixels_labels_and_normalisation():
    other = ImageSettings(image_size=(4, 4), mean=(0.5,), std=(1.0,), rescale_factor=1.0)
    data = [
        encode_images(images(), PLAIN),
        encode_images(images(PIXELS[::-1]), PLAIN),
        encode_images(images(labels=1 - LABELS), PLAIN),
        encode_images(images(), other),
    ]
    assert len({one.sha256 for one in data}) == 4
    assert data[0].sha256 == encode_images(images(), PLAIN).sha256


def test_every_image_is_in_one_batch():
    data = encode_images(images(), PLAIN)
    seen = [int(index) for batch in data.batches(2, order="shuffled", seed=3) for index in batch.indices]
    assert sorted(seen) == [0, 1, 2]
    assert data.take([2, 0]).batch([0]).labels.tolist() == [1]


def test_features_of_sound_have_target_texts(t5_tokenizer):
    features = np.random.default_rng(0).normal(size=(2, 4, 6)).astype(np.float32)
    data = encode_features(features, ["a b", "c"], t5_tokenizer, decoder_start_token_id=0)
    batch = data.take([1, 0]).batch([0, 1])
    assert batch.labels.tolist() == [[5, 1, -100], [3, 4, 1]]
    assert batch.inputs["decoder_input_ids"].tolist() == [[0, 5, 1], [0, 3, 4]]
    assert (batch.inputs["input_features"].numpy() == features[[1, 0]]).all()
    assert data.label_kind == "target-text"
