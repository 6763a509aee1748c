#!/usr/bin/env python3
"""The helper itself: what the other tests take for granted."""

import os
import signal
import time

import harness
from harness import expect_equal, test


def make_webroot(**files: bytes) -> str:
    """A directory with these files."""
    directory = harness.temporary_directory()
    for name, content in files.items():
        with open(os.path.join(directory, name), "wb") as file:
            file.write(content)
    return directory


def curl(*arguments: str, user: harness.User = harness.ORDINARY) -> harness.Result:
    """Runs curl without the progress meter and without a proxy of the environment."""
    return harness.run(["curl", "-s", "--max-time", "20", *arguments], user=user,
                       env={"http_proxy": None, "all_proxy": None})


@test
def nginx_serves_ranges_and_names_what_it_was_asked_for():
    if not harness.nginx_available():
        harness.skip("nginx is not installed")
    server = harness.NginxServer(make_webroot(file=b"0123456789"))
    expect_equal(curl("--range", "2-4", server.url + "/file").stdout, "234")
    curl(server.url + "/no%20such")
    expect_equal(server.log(), ["206 /file", "404 /no%20such"])
    server.stop()
    expect_equal(curl(server.url + "/file").status, 7, "status of curl at a closed port")


@test
def a_fault_happens_as_often_as_it_was_ordered():
    server = harness.FaultServer(make_webroot(file=b"content"))
    server.fail("/file", status=503, times=2)
    codes = [curl("-o", "/dev/null", "-w", "%{http_code}", server.url + "/file").stdout
             for _ in range(3)]
    expect_equal(codes, ["503", "503", "200"])
    expect_equal(server.count("/file"), 3)


@test
def every_fault_is_what_it_says():
    server = harness.FaultServer(make_webroot(file=b"content", other=b"elsewhere"))
    url = server.url + "/file"
    server.flip("/file", offset=0, times=1)
    expect_equal(curl(url).stdout_bytes, bytes([ord("c") ^ 0xFF]) + b"ontent")
    server.truncate("/file", keep=3, times=1)
    result = curl(url)
    expect_equal((result.status, result.stdout), (18, "con"), "cut off")
    server.stall("/file", keep=2, times=1)
    result = curl("--max-time", "1", url)
    expect_equal((result.status, result.stdout), (28, "co"), "stalled")
    server.hangup("/file", times=1)
    expect_equal(curl(url).status, 52, "hung up")
    server.garbage("/file", body=b"?", times=1)
    expect_equal(curl(url).stdout, "?")
    server.redirect("/file", "/other", times=1)
    expect_equal(curl("--location", url).stdout, "elsewhere")
    expect_equal(curl(harness.RefusedPort().url).status, 7, "refused")


@test
def a_fault_server_is_a_forwarding_proxy_too():
    origin = harness.FaultServer(make_webroot(file=b"content"))
    proxy = harness.FaultServer(proxy=True)
    proxy.fail("/file", status=502, times=1)
    codes = [curl("--proxy", proxy.url, "-o", "/dev/null", "-w", "%{http_code}",
                  origin.url + "/file").stdout for _ in range(2)]
    expect_equal(codes, ["502", "200"])
    expect_equal(proxy.requests(), [origin.url + "/file"] * 2)
    expect_equal(origin.count("/file"), 1)


@test
def connections_are_kept():
    server = harness.FaultServer(make_webroot(file=b"content"))
    result = curl("-o", "/dev/null", "-o", "/dev/null", "-w", "%{num_connects} ",
                  server.url + "/file", server.url + "/file")
    expect_equal(result.stdout, "1 0 ")


@test
def a_sandbox_has_its_own_mounts_and_processes():
    reason = harness.try_fuse_in_user_namespace()
    if reason:
        harness.skip(reason)
    with harness.scope():
        sandbox = harness.Sandbox()
        sandbox.run("mount -t tmpfs none /mnt && touch /mnt/mark", check=True)
        expect_equal(sandbox.run("ls /mnt").stdout, "mark\n")
        expect_equal(sandbox.run("id -u").stdout, "0\n")
        expect_equal(sandbox.processes("cat"), [1])
    assert not os.path.exists("/mnt/mark")


@test
def what_a_killed_script_started_ends_with_it():
    script = f"""
import os, sys
sys.path.insert(0, {os.path.join(harness.source_directory(), 'tests/e2e')!r})
import harness
server = harness.FaultServer({harness.temporary_directory()!r})
process = harness.start(["sleep", "1000"])
sandbox = harness.Sandbox()
sandbox.start(["sleep", "1000"])
print(process.pid, sandbox._holder.pid, flush=True)
os.kill(os.getpid(), int(sys.argv[1]))
"""
    for number in (signal.SIGKILL, signal.SIGTERM):
        result = harness.run(["python3", "-B", "-c", script, str(int(number))],
                             env={"TMPDIR": harness.temporary_directory()})
        expect_equal(result.status, 128 + number)
        for pid in result.stdout.split():
            assert _has_ended(int(pid)), f"{pid} is left after signal {number}"


def _has_ended(pid: int) -> bool:
    """Whether the process is gone or a zombie, after as long as the kernel may take to kill it."""
    for _ in range(500):
        try:
            with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
                if file.read().rpartition(")")[2].split()[0] in "ZX":
                    return True
        except (FileNotFoundError, ProcessLookupError):
            return True
        time.sleep(0.01)
    return False


@test
def output_of_a_process_that_daemonised_does_not_block():
    result = harness.run("echo out; sleep 1000 & echo $!")
    expect_equal(result.stdout.split()[0], "out")
    os.kill(int(result.stdout.split()[1]), signal.SIGKILL)


harness.main()
