"""Comparing a mounted repository with the listing of what it should be."""

import os

from .mounts import Mount
from .processes import source_directory

# Listings were taken without them; a client that lists them on the root would differ there.
MAGIC_HIDDEN = {"CVMFS_MAGIC_XATTRS_VISIBILITY": "never"}

_TREECHECK = os.path.join(source_directory(), "tests/e2e/treecheck.py")


def expect_tree(mount: Mount, listing: str, owners: bool = False, magic: bool = False,
                contents: bool = True, below: str = "/", timeout: float = 300) -> None:
    """Fails the test with the differences between a mount and a listing, entry by entry. Mount
    with settings=MAGIC_HIDDEN.

    owners: compare uid and gid too (in Sandbox(owners=True)). magic: compare hash, compression,
    chunks and raw links as the magic attributes say. contents: read every file.
    """
    flags = ["--below", below]
    flags += ["--owners"] if owners else []
    flags += ["--magic"] if magic else []
    flags += [] if contents else ["--no-contents"]
    result = mount.sandbox.run(["python3", "-B", _TREECHECK, "compare", *flags, listing,
                                mount.mountpoint], timeout=timeout)
    assert result.status == 0, f"{mount.fqrn} differs from {listing}:\n" \
                               f"{result.stdout[:20000]}{result.stderr}"
