"""The Ed25519 key of a release: a file with the base64 of its 32-byte seed, as Sparkle keeps it."""
import base64
import binascii

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat


def load(path):
    return Ed25519PrivateKey.from_private_bytes(decode(path.read_text(), f"{path}: not the base64 of a 32-byte seed"))


def public_text(key):
    """The public half in base64, as Info.plist has it in SUPublicEDKey."""
    return base64.b64encode(key.public_key().public_bytes_raw()).decode()


def public_from(text):
    return Ed25519PublicKey.from_public_bytes(decode(text, f"'{text}' is not an Ed25519 public key: 32 bytes in base64"))


def public_pem(public):
    """The same for openssl."""
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def decode(text, complaint):
    try:
        raw = base64.b64decode(text.strip(), validate=True)
    except binascii.Error:
        raise ValueError(complaint) from None
    if len(raw) != 32:
        raise ValueError(complaint)
    return raw
