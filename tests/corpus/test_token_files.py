import json

import numpy as np
import pytest

from lm_saturation.errors import InputError
from lm_saturation.text.token_files import open_tokens, token_dtype, write_tokens


@pytest.mark.parametrize(
    ("vocabulary_size", "width"), [(1, 1), (255, 1), (256, 1), (257, 2), (65535, 2), (65536, 2), (65537, 4), (2**32, 4)]
)
def test_smallest_width_that_holds_the_vocabulary(vocabulary_size, width, tmp_path):
    assert token_dtype(vocabulary_size).itemsize == width
    largest = np.array([0, vocabulary_size - 1], np.uint32)
    write_tokens(tmp_path / "a.json", [largest], vocabulary_size, {})
    assert (tmp_path / "a.bin").stat().st_size == 2 * width
    assert open_tokens(tmp_path / "a.json").ids.tolist() == largest.tolist()


def test_too_large_a_vocabulary_or_id_is_refused(tmp_path):
    with pytest.raises(ValueError, match="at most 2\\^32"):
        token_dtype(2**32 + 1)
    with pytest.raises(ValueError, match="token id 256 is not below the vocabulary size 256"):
        write_tokens(tmp_path / "a.json", [np.array([256], np.uint32)], 256, {})


def test_documents_and_record(tmp_path):
    documents = [np.array([5, 6, 7], np.uint32), np.array([], np.uint32), np.array([8], np.uint32)]
    write_tokens(tmp_path / "a.json", documents, 1000, {"corpus": "c"})
    tokens = open_tokens(tmp_path / "a.json")
    assert tokens.ids.tolist() == [5, 6, 7, 8]
    assert tokens.ends.tolist() == [3, 3, 4]
    assert tokens.vocabulary_size == 1000
    record = json.loads((tmp_path / "a.json").read_text())
    assert (record["tokens"], record["documents"], record["corpus"]) == (4, 3, "c")


@pytest.mark.parametrize("damage", ["truncate", "flip", "remove"])
@pytest.mark.parametrize("file", ["a.bin", "a.ends.bin"])
def test_damage_is_noticed(tmp_path, damage, file):
    write_tokens(tmp_path / "a.json", [np.arange(100, dtype=np.uint32)], 1000, {})
    path = tmp_path / file
    data = bytearray(path.read_bytes())
    data[3] ^= 1
    if damage == "remove":
        path.unlink()
    else:
        path.write_bytes(data if damage == "flip" else data[:-1])
    with pytest.raises(InputError, match=rf"{file}: .*delete it and run again"):
        open_tokens(tmp_path / "a.json")
