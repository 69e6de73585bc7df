"""Reads the signatures of disk images (UDIF) and packages (xar), and recomputes the hashes in them. Independent of rcodesign, which made them.

    dmg_problems(path), pkg_problems(path)    a sentence for each difference from the signed state; none for an intact file
"""

import base64
import hashlib
import pathlib
import struct
import subprocess
import tempfile
import xml.etree.ElementTree as ElementTree
import zlib

import code_signature
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

KOLY = 512  # the trailer of a disk image, with the place of its signature at these offsets
SIGNATURE_AT, SECTORS_AT = 296, 492
TRAILER_SLOT = 6


def cms_problem(cms, content):
    """What openssl has against a CMS signature over `content`; empty when it verifies. A certificate that nobody trusts is no problem here."""
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        (folder / "cms").write_bytes(cms)
        (folder / "content").write_bytes(content)
        done = subprocess.run(["openssl", "cms", "-verify", "-binary", "-inform", "DER", "-noverify", "-in", "cms", "-content", "content", "-out", "/dev/null"],
                              cwd=folder, capture_output=True, text=True)  # fmt: skip
        return done.stderr.strip() if done.returncode else ""


def dmg_problems(path):
    data = path.read_bytes()
    trailer = data[-KOLY:]
    if trailer[:4] != b"koly":
        return ["it is not a disk image"]
    start, size = struct.unpack_from(">QQ", trailer, SIGNATURE_AT)
    if not size:
        return ["the image is not signed"]
    signature = code_signature.Signature(data, code_signature.super_blob(data, start))
    found = []
    for directory in signature.directories:
        # An image is one page, and its trailer is sealed without the size of the signature, which was not known yet.
        if (directory.page_size, directory.code_limit) != (1, start) or directory.pages != [directory.hash(data[:start])]:
            found.append("the image is not what was signed")
        if directory.special.get(TRAILER_SLOT) != directory.hash(trailer[: SIGNATURE_AT + 8] + bytes(8) + trailer[SIGNATURE_AT + 16 :]):
            found.append("the image's trailer is not what was signed")
    if struct.unpack_from(">Q", trailer, SECTORS_AT)[0] == 0:
        found.append("the image's trailer has no number of sectors")
    if problem := cms_problem(signature.cms, signature.directories[0].blob):
        found.append(f"the signature does not verify: {problem}")
    return found


def pkg_problems(path):
    data = path.read_bytes()
    magic, header, _, packed, _, _ = struct.unpack_from(">4sHHQQI", data)
    if magic != b"xar!":
        return ["it is not a package"]
    table, heap = data[header : header + packed], header + packed
    try:
        toc = ElementTree.fromstring(zlib.decompress(table)).find("toc")
    except (zlib.error, ElementTree.ParseError) as error:
        return [f"the table of contents cannot be read: {error}"]

    def stored(element):
        at = heap + int(element.findtext("offset"))
        return data[at : at + int(element.findtext("length") or element.findtext("size"))]  # a file's size is that of its content

    checksum = toc.find("checksum")
    digest = stored(checksum)
    found = []
    if hashlib.new(checksum.get("style"), table).digest() != digest:
        found.append("the table of contents is not what was signed")
    signature, cms = toc.find("signature"), toc.find("x-signature")
    if signature is None or cms is None:
        return [*found, "the package is not signed"]
    space = {"x": "http://www.w3.org/2000/09/xmldsig#"}
    certificate = x509.load_der_x509_certificate(base64.b64decode(signature.findtext(".//x:X509Certificate", namespaces=space)))
    try:
        certificate.public_key().verify(stored(signature), digest, padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature:
        found.append("the signature is not that of its certificate")
    if problem := cms_problem(stored(cms), digest):
        found.append(f"the CMS signature does not verify: {problem}")
    for file in toc.iter("file"):
        if (content := file.find("data")) is not None:
            wanted = content.find("archived-checksum")
            if hashlib.new(wanted.get("style"), stored(content)).hexdigest() != wanted.text:
                found.append(f"{file.findtext('name')}: not the file that was signed")
    return found
