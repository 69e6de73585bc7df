"""Models in several GGUF files that do not belong together, and the check that must refuse each."""

import dataclasses

from hostile_gguf import CORRUPT, I32, STRING, TYPE_F32, U16, UNSUPPORTED, Gguf, model_file, shards


@dataclasses.dataclass
class Case:
    name: str
    files: dict  # name -> bytes, in one folder
    open: str  # the file that is opened
    code: str
    says: str


FIRST, SECOND, THIRD = (f"model-{number:05}-of-00003.gguf" for number in (1, 2, 3))
NOT_FOUND = "not_found"


def whole():
    """name -> Gguf"""
    return shards(model_file(), 3)


def changed(file, keys=(), without=(), tensors=None):
    """The shards with other keys or tensors in one of them."""
    files = whole()
    files[file].keys |= dict(keys)
    for key in without:
        files[file].keys.pop(key)
    if tensors is not None:
        files[file].tensors = tensors
    return files


def cases():
    def case(name, files, says, code=CORRUPT, open=FIRST):
        return Case(name, {file: content if isinstance(content, bytes) else content.bytes() for file, content in files.items()}, open, code, says)

    files, twice = whole(), whole()
    twice[THIRD].tensors = [twice[FIRST].tensors[0]]
    twice[THIRD].data = twice[FIRST].data
    return [
        case("without_the_first", {SECOND: files[SECOND], THIRD: files[THIRD]}, f"{FIRST} is missing. The model is split into 3 files", NOT_FOUND, open=SECOND),
        case("without_the_last", {FIRST: files[FIRST], SECOND: files[SECOND]}, f"{THIRD} is missing", NOT_FOUND),
        case("a_number_twice", {**files, THIRD: files[SECOND]}, f"{THIRD} is shard 2, and should be shard 3 of 3"),
        case("in_another_order", {**files, FIRST: files[SECOND], SECOND: files[FIRST]}, f"{FIRST} is shard 2, and should be shard 1 of 3"),
        case("renamed", {"model.gguf": files[SECOND]}, "is part 2 of 3 of a model, and its name does not say where the others are", UNSUPPORTED, open="model.gguf"),
        case("of_two", {"model-00001-of-00002.gguf": files[FIRST], "model-00002-of-00002.gguf": files[SECOND]},
             "is a shard of 3, and should be one of 2", open="model-00001-of-00002.gguf"),
        case("a_whole_model_among_them", {**files, SECOND: model_file()}, f"{SECOND} is damaged: it is a shard, and does not say which"),
        case("count_differs", changed(SECOND, {"split.count": (U16, 4)}), f"{SECOND} is a shard of 4"),
        case("count_2_15", {"model.gguf": changed(FIRST, {"split.count": (U16, 1 << 15)})[FIRST]}, "split.count is 32768; a model has 1 to", open="model.gguf"),
        case("count_below_0", {"model.gguf": changed(FIRST, {"split.count": (I32, -1)})[FIRST]}, "split.count is -1", open="model.gguf"),
        case("no_number", changed(THIRD, without=["split.no"]), f"{THIRD} is damaged: it is a shard, and does not say which (split.no)"),
        case("tensors_of_another_model", changed(SECOND, {"split.tensors.count": (I32, 7)}), "are not shards of one model: they differ in split.tensors.count"),
        case("name_of_another_model", changed(SECOND, {"general.name": (STRING, "other")}), "are not shards of one model: they differ in 'general.name'"),
        case("a_tensor_missing", changed(SECOND, tensors=[]), "says that the shards have 11 tensors; they have 7. Download them again"),
        case("a_tensor_twice", {name: dataclasses.replace(file, keys={key: v for key, v in file.keys.items() if key != "split.tensors.count"})
                                for name, file in twice.items()}, "both have the tensor 'token_embd.weight'"),
        case("a_shard_cut", {**files, THIRD: files[THIRD].bytes()[:-1]}, f"{THIRD} is damaged: tensor"),
        case("a_shard_that_is_text", {**files, SECOND: b"text"}, f"{SECOND} is not a GGUF file", UNSUPPORTED),
        case("a_shard_of_nothing", {**files, SECOND: b""}, f"{SECOND} is empty"),
        case("a_foreign_tensor", changed(THIRD, tensors=[("x", [2**62, 2], TYPE_F32, 0)]), "tensor 'x' has more elements than 2^63 - 1"),
    ]


def good():
    """The same model in one file, in shards, and in shards of which the first has the metadata alone: name -> (files, file to open)."""
    empty_first = shards(model_file(), 2)
    metadata, rest = empty_first.values()
    rest = shards(model_file(), 1)["model-00001-of-00001.gguf"]
    rest = Gguf(keys=metadata.keys, tensors=rest.tensors, data=rest.data)
    pair = ["model-00001-of-00002.gguf", "model-00002-of-00002.gguf"]
    only = {key: value for key, value in metadata.keys.items() if key.startswith("split.")}
    return {
        "one": ({"model.gguf": model_file()}, "model.gguf"),
        "one_by_a_shards_name": ({FIRST: model_file()}, FIRST),
        "first": (whole(), FIRST),
        "second": (whole(), SECOND),
        "last": (whole(), THIRD),
        "metadata_alone_first": ({pair[0]: Gguf(keys=metadata.keys), pair[1]: Gguf(keys=only | {"split.no": (U16, 1)}, tensors=rest.tensors, data=rest.data)}, pair[0]),
    }
