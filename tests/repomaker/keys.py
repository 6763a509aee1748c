"""Keys and certificate of a repository, and the two kinds of signature, by openssl(1)."""

import base64
import os
import re
import subprocess

from .hashes import Algorithm


def _openssl(*arguments: str, data: bytes | None = None) -> bytes:
    result = subprocess.run(["openssl", *arguments], input=data, capture_output=True, check=False)
    if result.returncode != 0:
        raise RuntimeError(f"openssl {' '.join(arguments)}: {result.stderr.decode()}")
    return result.stdout


class Keys:
    """The files FQRN.masterkey, .pub, .key and .crt of a directory; made when they are missing."""

    def __init__(self, directory: str, fqrn: str):
        os.makedirs(directory, exist_ok=True)
        base = os.path.join(directory, fqrn)
        self.fqrn = fqrn
        self.master_key = base + ".masterkey"
        self.public_key = base + ".pub"
        self.key = base + ".key"
        self.certificate = base + ".crt"
        if not os.path.exists(self.public_key):
            self._make_master_key()
        if not os.path.exists(self.certificate):
            self._make_certificate()

    def _make_master_key(self) -> None:
        _openssl("genrsa", "-out", self.master_key, "2048")
        _openssl("rsa", "-in", self.master_key, "-pubout", "-out", self.public_key)

    def _make_certificate(self) -> None:
        _openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "3650", "-subj",
                 f"/CN={self.fqrn}", "-keyout", self.key, "-out", self.certificate)

    def certificate_pem(self) -> bytes:
        """The certificate as it is published."""
        with open(self.certificate, "rb") as file:
            return file.read()

    def fingerprint(self, algorithm: Algorithm) -> str:
        """As it stands in a whitelist: AB:CD:..., with the identifier of the algorithm."""
        return fingerprint(self.certificate_pem(), algorithm)

    def sign_manifest(self, text: bytes) -> bytes:
        """PKCS#1 v1.5 with SHA-1 over the text of the hash, by the certificate's key."""
        return _openssl("dgst", "-sha1", "-sign", self.key, data=text)

    def sign_whitelist(self, text: bytes) -> bytes:
        """A bare PKCS#1 block around the text of the hash, by the master key."""
        return _openssl("pkeyutl", "-sign", "-inkey", self.master_key, data=text)


def fingerprint(pem: bytes, algorithm: Algorithm) -> str:
    """Fingerprint of a certificate: the hash of its DER form."""
    match = re.search(rb"-----BEGIN CERTIFICATE-----(.*?)-----END", pem, re.DOTALL)
    if not match:
        raise ValueError("not a certificate")
    digest = algorithm.digest(base64.b64decode(match[1]))
    return ":".join(f"{byte:02X}" for byte in digest) + algorithm.identifier.upper()
