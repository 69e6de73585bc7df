"""An Inventory as CycloneDX 1.6 JSON, checked by the CycloneDX project's own library."""
from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import HashAlgorithm, HashType, Property
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.contact import OrganizationalEntity
from cyclonedx.model.tool import ToolRepository
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL


MAKERS = OrganizationalEntity(name="The MLXR authors")


def write(inventory, created):
    """The document's text. Errors: ValueError, with the validator's message."""
    text = JsonV1Dot6(build(inventory, created)).output_as_string(indent=2) + "\n"
    if error := JsonStrictValidator(SchemaVersion.V1_6).validate_str(text):
        raise ValueError(f"CycloneDX of {inventory.artefact}: {error}")
    return text


def build(inventory, created):
    product = Component(name="MLXR", version=inventory.version, type=ComponentType.APPLICATION, bom_ref="mlxr", licenses=licences("Apache-2.0"), supplier=MAKERS,
                        properties=[Property(name="mlxr:artefact", value=inventory.artefact)])
    parts = {part.name: component(part) for part in inventory.components}
    system = {name: system_library(name) for name in inventory.system}
    files = {file.path: file_of(file) for file in inventory.files}
    bom = Bom(serial_number=inventory.id(), components=[*parts.values(), *system.values(), *files.values()])
    bom.metadata.timestamp = created
    bom.metadata.component = product
    bom.metadata.supplier = MAKERS
    bom.metadata.tools = ToolRepository(components=[Component(name="mlxr-release", version=inventory.version, type=ComponentType.APPLICATION)])
    bom.register_dependency(product, [*parts.values(), *files.values()])
    for file in inventory.files:
        names = (*file.static, *file.compiled, *([file.taken_from] if file.taken_from else []))
        bom.register_dependency(files[file.path], [*(parts[n] for n in names), *(files[path] for path in file.shared), *(system[n] for n in file.system)])
    return bom


def component(part):
    sums = [HashType(alg=HashAlgorithm.SHA_256, content=part.fetched[0].sha256)] if part.fetched else []
    return Component(name=part.name, version=part.version, type=ComponentType.LIBRARY, bom_ref=f"component:{part.name}", purl=PackageURL.from_string(part.purl),
                     licenses=licences(part.licence), hashes=sums, supplier=OrganizationalEntity(name=part.supplier),
                     properties=[*(Property(name="mlxr:fetched", value=f"{file.name} sha256:{file.sha256}") for file in part.fetched),
                                 *([Property(name="mlxr:unlisted", value=part.unlisted)] if part.unlisted else [])])


def system_library(name):
    return Component(name=name, type=ComponentType.LIBRARY, bom_ref=f"system:{name}", properties=[Property(name="mlxr:provided-by", value="system")])


def file_of(file):
    sums = [HashType(alg=HashAlgorithm.SHA_1, content=file.sha1), HashType(alg=HashAlgorithm.SHA_256, content=file.sha256)]
    return Component(name=file.path, type=ComponentType.FILE, bom_ref=f"file:{file.path}", hashes=sums)


def licences(expression):
    return [LicenseFactory().make_from_string(expression)]
