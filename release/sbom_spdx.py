"""An Inventory as SPDX 2.3 JSON, checked by the SPDX project's own library."""
import hashlib
import io
import re

from license_expression import get_spdx_licensing
from spdx_tools.spdx.model import (Actor, ActorType, Checksum, ChecksumAlgorithm, CreationInfo, Document, ExternalPackageRef, ExternalPackageRefCategory,
                                   File, FileType, Package, PackagePurpose, Relationship, RelationshipType, SpdxNoAssertion)
from spdx_tools.spdx.spdx_element_utils import calculate_package_verification_code
from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document
from spdx_tools.spdx.writer.json.json_writer import write_document_to_stream

DOCUMENT = "SPDXRef-DOCUMENT"
PRODUCT = "SPDXRef-MLXR"
MAKERS = Actor(ActorType.ORGANIZATION, "The MLXR authors")


def write(inventory, created):
    """The document's text. Errors: ValueError, with the validator's message."""
    document = build(inventory, created)
    if messages := validate_full_spdx_document(document):
        raise ValueError(f"SPDX of {inventory.artefact}: " + "; ".join(message.validation_message for message in messages))
    stream = io.StringIO()
    write_document_to_stream(document, stream, validate=False)
    return stream.getvalue() + "\n"


def build(inventory, created):
    info = CreationInfo("SPDX-2.3", DOCUMENT, inventory.artefact, f"https://spdx.org/spdxdocs/{inventory.artefact}-{inventory.id()}",
                        [Actor(ActorType.TOOL, f"mlxr-release-{inventory.version}"), MAKERS], created.replace(tzinfo=None))
    files = [file_of(file) for file in inventory.files]
    packages = [product(inventory, files), *map(component, inventory.components), *map(system_library, inventory.system)]
    return Document(info, packages=packages, files=files, relationships=relationships(inventory))


def product(inventory, files):
    return Package(PRODUCT, "MLXR", SpdxNoAssertion(), version=inventory.version, supplier=MAKERS, file_name=inventory.artefact, files_analyzed=True,
                   verification_code=calculate_package_verification_code(files), license_declared=licence("Apache-2.0"),
                   license_concluded=SpdxNoAssertion(), copyright_text="Copyright The MLXR authors", primary_package_purpose=PackagePurpose.APPLICATION)


def component(part):
    purl = ExternalPackageRef(ExternalPackageRefCategory.PACKAGE_MANAGER, "purl", part.purl)
    sums = [Checksum(ChecksumAlgorithm.SHA256, part.fetched[0].sha256)] if part.fetched else []
    fetched = f"Fetched: {', '.join(f'{file.name} (sha256 {file.sha256})' for file in part.fetched)}" if part.fetched else None
    return Package(component_id(part.name), part.name, SpdxNoAssertion(), version=part.version, supplier=Actor(ActorType.ORGANIZATION, part.supplier),
                   files_analyzed=False, checksums=sums, source_info=fetched, comment=f"Incomplete. Also inside: {part.unlisted}." if part.unlisted else None,
                   license_declared=licence(part.licence), license_concluded=SpdxNoAssertion(), copyright_text=SpdxNoAssertion(),
                   external_references=[purl], primary_package_purpose=PackagePurpose.LIBRARY)


def system_library(name):
    return Package(system_id(name), name, SpdxNoAssertion(), files_analyzed=False, license_declared=SpdxNoAssertion(), license_concluded=SpdxNoAssertion(),
                   copyright_text=SpdxNoAssertion(), comment="A library of the system it is installed on; not part of what is shipped.",
                   primary_package_purpose=PackagePurpose.LIBRARY)


def file_of(file):
    sums = [Checksum(ChecksumAlgorithm.SHA1, file.sha1), Checksum(ChecksumAlgorithm.SHA256, file.sha256)]
    return File(f"./{file.path}", file_id(file.path), sums, file_types=[FileType.BINARY] if file.binary else [])


def relationships(inventory):
    pairs = [(DOCUMENT, RelationshipType.DESCRIBES, PRODUCT)]
    pairs += [(PRODUCT, RelationshipType.CONTAINS, component_id(part.name)) for part in inventory.components]
    for file in inventory.files:
        me = file_id(file.path)
        pairs.append((PRODUCT, RelationshipType.CONTAINS, me))
        pairs += [(me, RelationshipType.STATIC_LINK, component_id(name)) for name in file.static]
        pairs += [(me, RelationshipType.GENERATED_FROM, component_id(name)) for name in (*file.compiled, *([file.taken_from] if file.taken_from else []))]
        pairs += [(me, RelationshipType.DYNAMIC_LINK, file_id(path)) for path in file.shared]
        pairs += [(me, RelationshipType.DYNAMIC_LINK, system_id(name)) for name in file.system]
    return [Relationship(*pair) for pair in pairs]


def licence(expression):
    return get_spdx_licensing().parse(expression, validate=True)


def plain(name):
    return re.sub(r"[^A-Za-z0-9.-]", "-", name)


def component_id(name):
    return f"SPDXRef-Component-{plain(name)}"


def system_id(name):
    return f"SPDXRef-System-{plain(name)}"


def file_id(path):
    """Readable, and different where only characters differ that an identifier cannot have."""
    return f"SPDXRef-File-{plain(path)}-{hashlib.sha256(path.encode()).hexdigest()[:8]}"
