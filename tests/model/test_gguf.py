"""Converting a .gguf file; tests/test_real_model.py converts a real one."""

from __future__ import annotations

from pathlib import Path

import pytest

from sft_cli.model.gguf import reading_once

gguf = pytest.importorskip("gguf")


def test_a_file_is_read_once_and_only_while_it_is_converted(tmp_path: Path) -> None:
    path = tmp_path / "tiny.gguf"
    writer = gguf.GGUFWriter(path, "llama")
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    reader, names = gguf.GGUFReader, gguf.get_tensor_name_map

    with reading_once():
        assert gguf.GGUFReader(str(path)) is gguf.GGUFReader(str(path))
        assert gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, 2) is gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, 2)

    assert (gguf.GGUFReader, gguf.get_tensor_name_map) == (reader, names)
