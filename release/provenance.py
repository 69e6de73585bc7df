#!/usr/bin/env python3
"""Describes where artefacts come from: an in-toto Statement v1 with SLSA's provenance v1, in a DSSE envelope signed with the release's key.

    provenance.py write FOLDER --key FILE --repository URL PLATFORM…     writes FOLDER/MLXR-VERSION.intoto.jsonl
    provenance.py verify FOLDER --public KEY

Subjects are all other files of FOLDER but SHA256SUMS and its signature. On GitHub Actions, builder and invocation are the workflow and its run:
the environment says so, and the holder of the release key vouches for it (SLSA build level 1). Independent of that key is the attestation that
GitHub signs in .github/workflows/release.yml (level 2).
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import uuid

from google.protobuf import json_format
from in_toto_attestation.predicates.provenance.v1.provenance_pb2 import Provenance
from in_toto_attestation.v1.resource_descriptor import ResourceDescriptor
from in_toto_attestation.v1.statement import Statement
from in_toto_attestation.v1.statement_pb2 import Statement as StatementMessage
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import CryptoSigner, SSlibKey

import checksums
import components
import manifest
import signing_key
import toolchain
from digest import sha256

PAYLOAD = "application/vnd.in-toto+json"
PREDICATE = "https://slsa.dev/provenance/v1"
SUFFIX = ".intoto.jsonl"
COMMAND = "scripts/release build && scripts/release sign"


def subjects(folder):
    return {path.name: sha256(path) for path in checksums.artefacts(folder) if not path.name.endswith(SUFFIX)}


def statement(artefacts, version, repository, git, parts, tools, environ):
    """`artefacts`: name → sha256; `git`: (commit, whether there are uncommitted changes); `parts`: the components of every platform;
    `tools`: purls of what compiled them."""
    commit, changed = git
    source = {"uri": f"git+{repository}@{commit}", "digest": {"gitCommit": commit}} | ({"annotations": {"uncommittedChanges": True}} if changed else {})
    fetched = {file: part.purl for part in parts for file in part.fetched}  # a dictionary: platforms share components
    builder, invocation = run_of(repository, artefacts, environ)
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": name, "digest": {"sha256": digest}} for name, digest in artefacts.items()],
        "predicateType": PREDICATE,
        "predicate": {
            "buildDefinition": {
                "buildType": f"{repository}/blob/{commit}/docs/release.md",  # of this commit: what it says cannot change later
                "externalParameters": {"source": source["uri"], "command": COMMAND, "version": version, "channel": environ.get("MLXR_CHANNEL") or "stable"},
                "internalParameters": {key: environ[key] for key in ("SOURCE_DATE_EPOCH",) if key in environ},
                "resolvedDependencies": [source, *({"name": file.name, "uri": purl, "digest": {"sha256": file.sha256}} for file, purl in fetched.items()),
                                         *({"uri": purl, "annotations": {"tool": True}} for purl in tools)],
            },
            "runDetails": {"builder": {"id": builder}, "metadata": {"invocationId": invocation}},
        },
    }


def run_of(repository, artefacts, environ):
    """The URIs of the builder and of this build."""
    if environ.get("GITHUB_ACTIONS") == "true":
        server, project = environ["GITHUB_SERVER_URL"], environ["GITHUB_REPOSITORY"]
        return (f"{server}/{environ['GITHUB_WORKFLOW_REF']}",
                f"{server}/{project}/actions/runs/{environ['GITHUB_RUN_ID']}/attempts/{environ['GITHUB_RUN_ATTEMPT']}")
    return f"{repository}#by-hand", uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(artefacts)).urn


def seal(content, key):
    envelope = Envelope(json.dumps(content).encode(), PAYLOAD, {})
    envelope.sign(CryptoSigner(key))
    return json.dumps(envelope.to_dict()) + "\n"


def unseal(line, public):
    """The statement, once the signature holds and in-toto's own code reads it as a provenance. ValueError if not."""
    try:
        envelope = Envelope.from_dict(json.loads(line))
        envelope.verify([SSlibKey.from_crypto(public)], 1)
    except (VerificationError, KeyError, ValueError, TypeError) as error:
        raise ValueError(f"the provenance is not signed with this key: {error}") from None
    if envelope.payload_type != PAYLOAD:
        raise ValueError(f"the provenance's envelope holds {envelope.payload_type}, not {PAYLOAD}")
    check_schema(json.loads(envelope.payload))
    return json.loads(envelope.payload)


def check_schema(content):
    try:
        message = json_format.ParseDict(content, StatementMessage())
        Statement.copy_from_pb(message).validate()
        predicate = json_format.ParseDict(content["predicate"], Provenance())
        for dependency in predicate.build_definition.resolved_dependencies:
            ResourceDescriptor.copy_from_pb(dependency).validate()
    except (json_format.ParseError, ValueError) as error:
        raise ValueError(f"the provenance is not an in-toto statement with SLSA provenance v1: {error}") from None
    if content["predicateType"] != PREDICATE or not predicate.run_details.builder.id or not predicate.build_definition.build_type:
        raise ValueError("the provenance does not say what built the artefacts, and how")


def verify(folder, public):
    found = sorted(folder.glob(f"*{SUFFIX}"))
    if len(found) != 1:
        raise ValueError(f"{folder} has {len(found)} files *{SUFFIX}, not one")
    content = unseal(found[0].read_text(), public)
    said = {subject["name"]: subject["digest"]["sha256"] for subject in content["subject"]}
    if differing := sorted(name for name, _ in said.items() ^ subjects(folder).items()):
        raise ValueError(f"{', '.join(dict.fromkeys(differing))}: not what the provenance speaks of")
    return content


def git_state(root=components.ROOT):
    def git(*command):
        return subprocess.run(["git", "-C", root, *command], capture_output=True, text=True, check=True).stdout.strip()
    return git("rev-parse", "HEAD"), bool(git("status", "--porcelain"))


def write(folder, key, repository, platforms):
    version = manifest.load().channel.version
    parts = [part for platform in platforms for part in components.resolve(platform)]
    content = statement(subjects(folder), version, repository, git_state(), parts, toolchain.used(), os.environ)
    check_schema(content)
    (folder / f"MLXR-{version}{SUFFIX}").write_text(seal(content, key))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    writing, verifying = commands.add_parser("write"), commands.add_parser("verify")
    for command in (writing, verifying):
        command.add_argument("folder", type=pathlib.Path)
    writing.add_argument("platform", nargs="+", choices=components.PLATFORMS)
    writing.add_argument("--key", required=True, type=pathlib.Path)
    writing.add_argument("--repository", required=True, help="its URL: https://…")
    verifying.add_argument("--public", required=True, help="base64, as checksums.py prints it")
    arguments = parser.parse_args()
    if arguments.command == "verify":
        verify(arguments.folder, signing_key.public_from(arguments.public))
        return
    write(arguments.folder, signing_key.load(arguments.key), arguments.repository, arguments.platform)


if __name__ == "__main__":
    try:
        main()
    except (components.ComponentError, ValueError, OSError) as error:
        sys.exit(f"provenance: {error}")
