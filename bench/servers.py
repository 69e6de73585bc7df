"""The two servers under comparison, behind one interface.

A server, a program of its product's `folder`, runs one model with `threads` threads and a context of `context` tokens for each of `slots`
clients, and listens on a Unix socket. Both are asked in the same way: POST /v1/completions with token ids, temperature 0.
"""

import json
import os
import pathlib
import random
import signal
import subprocess
import tempfile
import time

import http_client


def drawing(seed):
    """A function that draws so many tokens, of no meaning, that every model has. The same seed gives the same tokens."""
    numbers = random.Random(seed)
    return lambda count: [numbers.randrange(300, 30000) for _ in range(count)]


class Server:
    name = program_name = ""
    flash_attention = "auto"  # the peer's; or "on", "off"

    def __init__(self, folder, model, threads, context, slots=1):
        self.program = folder / self.program_name
        self.model, self.threads, self.context, self.slots = pathlib.Path(model).resolve(), threads, context, slots
        self.process = None
        self.move_in()

    def move_in(self):
        """A home that knows nothing: what a server keeps from one start to the next is gone."""
        self.folder = tempfile.TemporaryDirectory(prefix="mlxr-bench-")
        self.home = pathlib.Path(self.folder.name)
        self.socket = self.home / "run" / "mlxrunner.sock"
        self.socket.parent.mkdir(mode=0o700)

    def start(self):
        self.socket.unlink(missing_ok=True)  # llama-server does not remove it, and then refuses to start
        self.log = open(self.home / "log", "wb")
        self.process = subprocess.Popen(self.command(), env={**os.environ, **self.environment()}, stdin=subprocess.DEVNULL,
                                        stdout=self.log, stderr=self.log)  # fmt: skip

    def complete(self, tokens, max_tokens):
        """Seconds from the request to its whole answer."""
        begin = time.perf_counter()
        answer = http_client.post(self.socket, "/v1/completions", self.request(tokens, max_tokens))
        seconds = time.perf_counter() - begin
        self.check(answer["usage"], tokens, max_tokens)
        return seconds

    def decode_rate(self, tokens, count=128, settings=None):
        """Tokens per second after the first: from the first event of the answer to its end. `settings` say how tokens are chosen."""
        request = self.request(tokens, 1 + count) | (settings or {}) | {"stream": True, "stream_options": {"include_usage": True}}
        arrived, usage = [], {}
        for event in http_client.stream(self.socket, "/v1/completions", request):
            arrived.append(time.perf_counter())
            if b'"usage":{' in event:
                usage = json.loads(event)["usage"]
        self.check(usage, tokens, 1 + count)
        return count / (arrived[-1] - arrived[0])

    def request(self, tokens, max_tokens):
        return {"model": self.model_name(), "prompt": tokens, "max_tokens": max_tokens, "temperature": 0, "ignore_eos": True}

    def check(self, usage, tokens, max_tokens):
        if (usage.get("prompt_tokens"), usage.get("completion_tokens")) != (len(tokens), max_tokens):
            raise RuntimeError(f"{self.name} was asked for {len(tokens)} + {max_tokens} tokens and says {usage}")

    def start_to_first_token(self, tokens):
        """Seconds from starting the process to one generated token. The process runs afterwards."""
        begin = time.perf_counter()
        self.start()
        while True:
            try:
                self.complete(tokens, 1)
                return time.perf_counter() - begin
            except (OSError, http_client.Busy) as error:  # it does not listen yet, or is loading
                if self.process.poll() is not None:
                    raise RuntimeError(f"{self.name} ended: {(self.home / 'log').read_text(errors='replace')[-2000:]}") from error
                if time.perf_counter() - begin > 120:
                    raise
                time.sleep(0.001)

    def warm_up(self, tokens):
        """One start, after which the model's file, and what the server keeps beside it, are where every later start finds them."""
        self.start_to_first_token(tokens)
        deadline = time.monotonic() + 300
        while any(self.home.rglob("*.panels-part-*")) and time.monotonic() < deadline:  # mlxrunnerd still writes its cache
            time.sleep(0.1)
        self.stop()

    def drop_from_page_cache(self):
        """The model's file and what the server keeps in its home have to be read from the disk again."""
        for file in [self.model, *self.home.rglob("*.panels")]:
            with open(file, "rb") as opened:
                os.fsync(opened.fileno())
                os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)

    def peak_memory(self):
        """Bytes: the largest resident set so far, pages of the model's file included."""
        for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
        raise RuntimeError("no VmHWM")

    def version(self):
        run = subprocess.run([self.program, "--version"], capture_output=True, text=True, check=True)
        return (run.stdout or run.stderr).strip().splitlines()[0]

    def stop(self):
        if self.process:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.log.close()
            self.process = None


class Mlxr(Server):
    name, program_name = "mlxr", "mlxrunnerd"
    kernels = "auto"  # a variant of its kernel pack

    def command(self):
        (self.home / "server.yaml").write_text(f"threads: {self.threads}\ncontext: {self.context}\n")
        return [self.program]

    def environment(self):
        return {"MLXR_HOME": str(self.home), "MLXR_KERNELS": self.kernels}

    def model_name(self):
        return str(self.model)


class LlamaCpp(Server):
    name, program_name = "llama.cpp", "llama-server"

    def command(self):
        # Its defaults, except for what makes the two comparable: threads, context, clients; no warm-up, which would only delay its first token.
        return [self.program, "-m", self.model, "-t", str(self.threads), "-c", str(self.slots * self.context), "-np", str(self.slots), "-cb",
                "-fa", self.flash_attention, "--no-warmup", "--host", self.socket]  # fmt: skip

    def environment(self):
        return {}

    def model_name(self):
        return "any"

    def request(self, tokens, max_tokens):
        return super().request(tokens, max_tokens) | {"repeat_last_n": self.context}  # penalties look back at all of it, as OpenAI's do
