"""Runs one conversation file: a request, and the expected answer.

  why: one sentence
  request: {post: /path, json: {...}}      or get:, delete:, with body: for text that is not JSON, headers: {...}
  expect: {status: 200, "path[0].of.field": value, ...}

The keys of `expect` are `status`, `headers.NAME`, `text`, `lines` (NDJSON or SSE data, as a list), or the path of a field of the JSON answer.
A value is compared literally, or is a rule: {includes: "x"}, {includes: ["x", "y"]}, {excludes: "x"}, {type: string}, {above: 0}, {length: 3}, {absent: true}.
"""

import json
import re

TYPES = {"string": str, "integer": int, "number": (int, float), "boolean": bool, "array": list, "object": dict, "null": type(None)}
RULES = {"includes", "excludes", "type", "above", "length", "absent"}
ABSENT = object()


def field(value, path):
    for name, index in re.findall(r"([^.\[\]]+)|\[(-?\d+)\]", path):
        if name:
            value = value.get(name, ABSENT) if isinstance(value, dict) else ABSENT
        else:
            value = value[int(index)] if isinstance(value, list) and -len(value) <= int(index) < len(value) else ABSENT
        if value is ABSENT:
            return ABSENT
    return value


def lines_of(response):
    """The objects of a stream; SSE's last word stays text."""
    lines = [line.removeprefix("data: ") for line in response.text.splitlines() if line]
    return [line if line == "[DONE]" else json.loads(line) for line in lines]


def actual(response, path):
    if path == "status":
        return response.status_code
    if path == "text":
        return response.text
    if path.startswith("headers."):
        return response.headers.get(path.removeprefix("headers."), ABSENT)
    if path.startswith("lines"):
        return field({"lines": lines_of(response)}, path)
    return field(response.json(), path)


def check(path, value, expected):
    if not (isinstance(expected, dict) and expected and set(expected) <= RULES):
        assert value == expected, f"{path} is {value!r}, not {expected!r}"
        return
    for rule, operand in expected.items():
        if rule == "absent":
            assert (value is ABSENT) == operand, f"{path} is {value!r}"
            continue
        assert value is not ABSENT, f"{path} is absent"
        if rule == "type":
            assert isinstance(value, TYPES[operand]) and (operand == "boolean" or not isinstance(value, bool)), f"{path} is {value!r}"
        elif rule == "above":
            assert value > operand, f"{path} is {value!r}"
        elif rule == "length":
            assert len(value) == operand, f"{path} has {len(value)}"
        else:
            for one in operand if isinstance(operand, list) else [operand]:
                assert (one in value) == (rule == "includes"), f"{path} is {value!r}"


def run(client, conversation):
    request = dict(conversation["request"])
    method = next(name for name in ("get", "head", "post", "put", "delete") if name in request)
    response = client.request(method.upper(), request[method], json=request.get("json"), content=request.get("body"), headers=request.get("headers"))
    assert "status" in conversation["expect"], "expect.status is missing"
    for path, expected in conversation["expect"].items():
        check(path, actual(response, path), expected)
