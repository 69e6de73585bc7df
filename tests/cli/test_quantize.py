"""`mlx quantize`: its output is read with PyPI gguf and by the daemon, its choice of types is compared with llama-quantize, and failures leave no file."""

import re
import signal
import subprocess

import numpy as np
import pytest
from gguf import GGUFReader, GGUFWriter, TokenType, quants
from programs import MODEL_FILE, ROOT, require_model, small_disk

TYPES = "F16 BF16 Q4_0 Q4_1 Q5_0 Q5_1 Q8_0 Q6_K Q4_K_M Q4_K_S Q5_K_M Q5_K_S".split()
WRITTEN = {"general.file_type", "general.quantization_version"}


def tensors(file):
    return {tensor.name: tensor for tensor in GGUFReader(file).tensors}


def types(file):
    return {name: tensor.tensor_type.name for name, tensor in tensors(file).items()}


def values(tensor):
    return quants.dequantize(tensor.data, tensor.tensor_type).astype(np.float64)


def metadata(file):
    """{key: its bytes, types and lengths included}"""
    fields = GGUFReader(file).fields
    return {name: b"".join(part.tobytes() for part in field.parts) for name, field in fields.items() if not name.startswith("GGUF.")}


def write_small_model(file, width=512, layers=9, spoil=None, alignment=32, architecture="llama"):
    """A Llama in float32 that could be run; `spoil` changes one of its weights."""
    random = np.random.default_rng(4)
    writer = GGUFWriter(file, architecture)
    writer.add_block_count(layers)
    writer.add_embedding_length(width)
    writer.add_context_length(64)
    writer.add_head_count(8)
    writer.add_feed_forward_length(width)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(width // 8)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("default")
    writer.add_token_list([*(chr(ord("A") + i) for i in range(30)), "AB", "<end>"])
    writer.add_token_types([TokenType.NORMAL] * 31 + [TokenType.CONTROL])
    writer.add_token_merges(["A B"])
    writer.add_eos_token_id(31)
    writer.add_custom_alignment(alignment)
    writer.add_file_type(0)
    writer.add_string("custom.note", "keeps its place")
    weights = {"token_embd.weight": (32, width), "output_norm.weight": (width,), "output.weight": (32, width)}
    for i in range(layers):
        weights |= {f"blk.{i}.{name}.weight": (width, width) for name in ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_down", "ffn_up")}
        weights |= {f"blk.{i}.attn_norm.weight": (width,), f"blk.{i}.ffn_norm.weight": (width,), f"blk.{i}.attn_q.bias": (width,)}
    for name, shape in weights.items():
        data = random.normal(0, 0.02, shape).astype(np.float32)
        if spoil and name == spoil[0]:
            data.flat[-1] = spoil[1]
        writer.add_tensor(name, data)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return file


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return write_small_model(tmp_path_factory.mktemp("quantize") / "small.gguf")


@pytest.fixture(scope="module")
def real(tmp_path_factory, mlx):
    """SmolLM2 in half precision."""
    require_model()
    file = tmp_path_factory.mktemp("quantize") / "smollm2.gguf"
    mlx("quantize", MODEL_FILE, file, "F16", "--allow-requantize").check_returncode()
    return file


@pytest.fixture(scope="module")
def llama_quantize():
    folder = subprocess.run([ROOT / "scripts" / "build-peer", "--where"], capture_output=True, text=True, check=True).stdout.strip()
    program = f"{folder}/llama-quantize"
    try:
        subprocess.run([program, "--help"], capture_output=True)
    except OSError:
        pytest.skip("llama-quantize is not built (scripts/build-peer builds it)")
    return program


@pytest.mark.parametrize("type_", TYPES)
def test_what_is_written_is_what_the_source_says(mlx, small, tmp_path, type_):
    file = tmp_path / "out.gguf"
    run = mlx("quantize", small, file, type_.lower())
    assert run.returncode == 0, run.stderr
    assert "bits per weight" in run.stdout and "quantizing" in run.stderr and "100%" in run.stderr
    before, after = tensors(small), tensors(file)
    assert list(before) == list(after)
    bound = {"F16": 0.0003, "BF16": 0.002, "Q4": 0.09, "Q5": 0.045, "Q6": 0.018, "Q8": 0.006}[type_[:2] if type_[0] == "Q" else type_]
    for name, tensor in after.items():
        x, y = values(before[name]).ravel(), values(tensor).ravel()
        if x.size == 512:
            assert tensor.tensor_type.name == "F32" and (x == y).all()
        else:
            assert np.sqrt(np.mean((x - y) ** 2)) <= bound * np.sqrt(np.mean(x**2)), name
    old, new = metadata(small), metadata(file)
    assert [key for key in new if key not in old] == ["general.quantization_version"]
    assert {key: value for key, value in new.items() if key not in WRITTEN} == {key: value for key, value in old.items() if key not in WRITTEN}
    fields = GGUFReader(file).fields
    assert fields["general.quantization_version"].contents() == 2


def test_the_alignment_of_the_source_is_kept(mlx, tmp_path):
    source = write_small_model(tmp_path / "wide.gguf", alignment=1024)
    mlx("quantize", source, tmp_path / "out.gguf", "Q8_0").check_returncode()
    assert all(tensor.data_offset % 1024 == 0 for tensor in tensors(tmp_path / "out.gguf").values())
    assert metadata(tmp_path / "out.gguf")["general.alignment"] == metadata(source)["general.alignment"]


@pytest.mark.parametrize("type_", TYPES)
def test_types_are_those_of_llama_quantize(mlx, small, real, llama_quantize, tmp_path, type_):
    for source in (small, real) if type_ == "Q4_K_M" else (small,):
        ours, theirs = tmp_path / "ours.gguf", tmp_path / "theirs.gguf"
        mlx("quantize", source, ours, type_, "--force").check_returncode()
        subprocess.run([llama_quantize, source, theirs, type_, "2"], capture_output=True, check=True)
        assert types(ours) == types(theirs)
        assert GGUFReader(ours).fields["general.file_type"].contents() == GGUFReader(theirs).fields["general.file_type"].contents()


def test_medium_gives_more_bits_where_it_shows(mlx, small, tmp_path):
    file = tmp_path / "out.gguf"
    mlx("quantize", small, file, "Q4_K_M").check_returncode()
    chosen = types(file)
    assert [chosen[f"blk.{i}.ffn_down.weight"][:2] for i in range(9)] == ["Q6", "Q4", "Q4", "Q6", "Q4", "Q4", "Q6", "Q6", "Q6"]
    assert chosen["output.weight"] == "Q6_K" and chosen["token_embd.weight"] == "Q4_K" and chosen["blk.0.attn_q.bias"] == "F32"


def test_rows_that_are_no_multiple_of_256_get_the_next_type(mlx, tmp_path):
    source = write_small_model(tmp_path / "narrow.gguf", width=96, layers=1)
    for type_, expected in {"Q4_K_S": {"Q5_0", "Q5_1"}, "Q5_K_S": {"Q5_1"}, "Q6_K": {"Q8_0"}}.items():
        run = mlx("quantize", source, tmp_path / "out.gguf", type_, "--force")
        assert "not a multiple of 256" in run.stderr
        assert {kind for name, kind in types(tmp_path / "out.gguf").items() if name.startswith("blk") and kind != "F32"} == expected


def test_any_number_of_threads_gives_the_same_bytes(mlx, small, tmp_path):
    files = [tmp_path / f"{threads}.gguf" for threads in (1, 2, 5)]
    for file in files:
        mlx("quantize", small, file, "Q4_K_M", "--threads", file.stem).check_returncode()
    assert len({file.read_bytes() for file in files}) == 1


@pytest.mark.parametrize("type_", ["Q4_0", "Q4_K_M"])
def test_the_daemon_answers_with_it(mlx, real, tmp_path, type_):
    file = tmp_path / f"{type_}.gguf"
    mlx("quantize", real, file, type_).check_returncode()
    run = mlx("run", file, "What is a computer? One sentence.", "--temperature", "0", "--max-tokens", "40")
    assert run.returncode == 0 and "computer" in run.stdout.lower()
    mlx("stop", file)


def test_values_that_no_format_holds_are_refused_by_name(mlx, tmp_path):
    for value, type_, words in [(np.nan, "Q4_0", "not a number"), (np.inf, "BF16", "infinite"), (1e6, "F16", "65504"), (-1e6, "Q8_0", "65504")]:
        source = write_small_model(tmp_path / "bad.gguf", 64, 1, ("blk.0.attn_v.weight", value))
        run = mlx("quantize", source, tmp_path / "out.gguf", type_)
        assert run.returncode == 13 and "blk.0.attn_v.weight" in run.stderr and words in run.stderr
        assert [file.name for file in tmp_path.iterdir()] == ["bad.gguf"]
    assert mlx("quantize", source, tmp_path / "out.gguf", "BF16").returncode == 0


def test_what_mlxr_cannot_run_is_refused_at_once(mlx, tmp_path):
    """As llama-quantize refuses architectures that it does not know: a recipe knows which tensors of a family must stay as they are."""
    source = write_small_model(tmp_path / "m.gguf", 64, 1, ("blk.0.attn_v.weight", np.nan), architecture="mamba")  # the NaN is never met
    run = mlx("quantize", source, tmp_path / "out.gguf", "Q8_0")
    assert run.returncode == 13 and "mamba" in run.stderr and "not a number" not in run.stderr
    assert [file.name for file in tmp_path.iterdir()] == ["m.gguf"]


def test_refusals_leave_nothing(mlx, small, tmp_path):
    out = tmp_path / "out.gguf"
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(small.read_bytes()[:-100])
    text = tmp_path / "text.gguf"
    text.write_text("hello")
    twin = tmp_path / "twin.gguf"
    twin.symlink_to(small)
    here = set(tmp_path.iterdir())
    for words, code, said in [((small, out, "Q9"), 2, "Q4_K_M"), ((small, out, "IQ2_XS"), 2, "cannot write the type IQ2_XS. Choose one of F16, "), ((cut, out, "Q4_0"), 7, "damaged"), ((text, out, "Q4_0"), 13, "not a GGUF file"),
                              ((tmp_path / "none.gguf", out, "Q4_0"), 3, "none.gguf"), ((small, twin, "Q4_0"), 2, "same file"),
                              ((small, tmp_path, "Q4_0"), 2, "folder"), ((small, tmp_path / "no" / "out.gguf", "Q4_0"), 3, "out.gguf"),
                              ((small, cut, "Q4_0"), 1, "--force"), ((small, out, "Q4_0", "--threads", "0"), 2, "threads")]:  # fmt: skip
        run = mlx("quantize", *words)
        assert (run.returncode, run.stdout) == (code, "") and said in run.stderr, (words, run.stderr)
        assert set(tmp_path.iterdir()) == here
    assert mlx("quantize", small, cut, "Q4_0", "--force").returncode == 0


def test_a_quantized_input_needs_a_word(mlx, small, tmp_path):
    first, second = tmp_path / "first.gguf", tmp_path / "second.gguf"
    mlx("quantize", small, first, "Q8_0").check_returncode()
    run = mlx("quantize", first, second, "Q4_0")
    assert run.returncode == 2 and "--allow-requantize" in run.stderr and "Q8_0" in run.stderr and not second.exists()
    assert mlx("quantize", first, second, "Q4_0", "--allow-requantize").returncode == 0
    assert types(second)["blk.0.attn_q.weight"] == "Q4_0"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_nothing(mlx, real, tmp_path, number):
    process = mlx.start("quantize", real, tmp_path / "out.gguf", "Q5_K_M", "--threads", "1")
    process.stderr.readline()  # the first tenth
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130 and "Nothing was written" in err and list(tmp_path.iterdir()) == []


def test_a_full_disk_is_said_first(mlx, small, tmp_path):
    with small_disk(tmp_path / "disk", "1M") as disk:
        run = mlx("quantize", small, disk / "out.gguf", "Q8_0")
        assert run.returncode == 8 and re.search(r"needs \d+ bytes; \d+ are free|needs .* free", run.stderr)
        assert list(disk.iterdir()) == []
