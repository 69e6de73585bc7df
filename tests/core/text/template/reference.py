"""Python's jinja2, set up as `transformers` does for chat templates: the reference for the C++ engine."""

import functools
import json
from datetime import datetime

import jinja2
from jinja2.ext import Extension, loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment


class Generation(Extension):
    """{% generation %} marks what training looks at; its body renders as it stands."""

    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("_render"), [], [], body).set_lineno(line)

    def _render(self, caller):
        return caller()


def _raise_exception(message):
    raise jinja2.exceptions.TemplateError(message)


def _tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


@functools.cache
def environment():
    env = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[Generation, loopcontrols])
    env.filters["tojson"] = _tojson
    env.globals["raise_exception"] = _raise_exception
    env.globals["strftime_now"] = lambda format: datetime.now().strftime(format)
    return env


@functools.cache
def compiled(template):
    return environment().from_string(template)


def value(expression):
    """What an expression without variables is worth; for a name that does not exist, an undefined value."""
    return environment().compile_expression(expression, undefined_to_none=False)()


REASONING = ("reasoning_content", "thinking", "reasoning")


def with_reasoning(message):
    """All names under which templates look for what a model thought."""
    thought = next((message[name] for name in REASONING if message.get(name) is not None), None)
    return message if thought is None else {"thinking": thought, **message, "reasoning_content": thought}


def completed(context):
    """A context with what transformers adds to it."""
    context = {"tools": None, "documents": None, "add_generation_prompt": False} | context
    if isinstance(context.get("messages"), list):
        context["messages"] = [with_reasoning(m) if isinstance(m, dict) else m for m in context["messages"]]
    return context


def render(template, context):
    """{"output": text}, or {"error": sentence} whatever went wrong."""
    context = completed(context)
    try:
        return {"output": compiled(template).render(**context)}
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"}
