"""The helper of the end-to-end tests: what a .t file needs, under one name.

    import harness
    from harness import test

    harness.require_fuse_userns()

    @test
    def a_repository_mounts_and_a_file_reads():
        repository = harness.make_repository("a.example.org", files={"hello": b"world"})
        server = harness.NginxServer(repository.webroot)
        mount = harness.mount(repository.fqrn, harness.client_config(repository, server))
        harness.expect_equal(mount.read("/hello"), b"world")

    harness.main()

Everything opened in a test ends with it; what is opened outside of one ends with the script.
"""

import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))

from support.cleanup import at_end, scope  # noqa: E402,F401
from support.faults import Fault, FaultServer, RefusedPort  # noqa: E402,F401
from support.mounts import (Mount, MountFailed, Sandbox, mount,  # noqa: E402,F401
                            require_fuse_userns, try_fuse_in_user_namespace)
from support.nginx import NginxServer  # noqa: E402,F401
from support.nginx import available as nginx_available  # noqa: E402,F401
from support.processes import (ME, ORDINARY, ROOT, CommandFailed, Process,  # noqa: E402,F401
                               Result, User, build_directory, program, run, source_directory,
                               start, temporary_directory)
from support.repositories import (OFFICIAL_ARCHIVE, Repository, client_config,  # noqa: E402,F401
                                  make_repository, official_repository, server_url)
from support.tap import (Skip, expect_equal, expect_in, main, note, ok, skip,  # noqa: E402,F401
                         skip_all, test)
from support.trees import MAGIC_HIDDEN, expect_tree  # noqa: E402,F401
