#!/usr/bin/env python3
"""The packer's downloads, from servers that answer in every way."""

import os
import signal
import threading
import time

import downloadtest
import harness
import rawserver
from downloadtest import ScriptServer, answer, fail, item, leftovers, load
from harness import expect_equal, expect_in, test

CONTENT = downloadtest.body()


def webroot(**files: bytes) -> str:
    """A directory to be served; by default with one file, "file"."""
    directory = harness.temporary_directory()
    for name, content in (files or {"file": CONTENT}).items():
        with open(os.path.join(directory, name), "wb") as file:
            file.write(content)
    return directory


def cache() -> str:
    """An empty cache."""
    return harness.temporary_directory()


def expect_content(loaded: list[downloadtest.Loaded], content: bytes = CONTENT) -> None:
    """All that came has to be this."""
    assert loaded
    for one in loaded:
        assert one.content() == content, f"{one.label} has other bytes"


# What goes well.


@test
def a_file_is_loaded_once_and_comes_from_the_cache_after_that():
    server, where = harness.FaultServer(webroot()), cache()
    one = item("file", [server.url + "/file"], CONTENT)
    first, second = load(where, *one), load(where, *one)
    expect_content(first + second)
    expect_equal([first[0].how, second[0].how], ["loaded", "cached"])
    expect_equal(server.count("/file"), 1, "requests")
    expect_equal(leftovers(where), ["sha256-" + downloadtest.sha256(CONTENT)], "cache")


@test
def a_file_that_is_known_by_its_url_is_asked_about_again_and_loaded_when_it_changed():
    directory, where = webroot(), cache()
    server = harness.NginxServer(directory)
    one = item("file", [server.url + "/file"])
    hows = [load(where, *one)[0].how for _ in range(2)]
    with open(os.path.join(directory, "file"), "wb") as file:
        file.write(b"something new")
    third = load(where, *one)
    expect_equal(hows + [third[0].how], ["loaded", "cached", "loaded"])
    expect_content(third, b"something new")
    expect_equal([line.split()[0] for line in server.log()], ["200", "304", "200"], "statuses")


@test
def many_files_come_at_once_but_not_more_of_one_server_than_allowed():
    barrier = threading.Barrier(3)
    lock, active = threading.Lock(), [0, 0]

    def slowly(_request, _number) -> bytes:
        with lock:
            active[0] += 1
            active[1] = max(active)
        barrier.wait(30)  # three have to be here before any of them goes on
        with lock:
            active[0] -= 1
        return answer(200, CONTENT)

    server = ScriptServer(slowly)
    items = [word for number in range(9) for word in item(f"f{number}", [f"{server.url}/{number}"])]
    expect_content(load(cache(), "--parallel", "6", "--per-host", "3", *items))
    expect_equal(active[1], 3, "at once")


@test
def a_file_of_this_machine_is_loaded_too():
    directory = webroot()
    loaded = load(cache(), *item("file", [f"file://{directory}/none", f"file://{directory}/file"],
                                 CONTENT))
    expect_content(loaded)
    expect_equal(loaded[0].url, 1)


@test
def an_empty_file_is_a_file():
    server = harness.FaultServer(webroot(empty=b""))
    expect_content(load(cache(), *item("empty", [server.url + "/empty"])), b"")


@test
def the_proxy_of_the_environment_is_used_unless_the_server_is_excepted():
    origin, proxy = harness.FaultServer(webroot()), harness.FaultServer(proxy=True)
    one = item("file", [origin.url + "/file"], CONTENT)
    expect_content(load(cache(), *one, env={"http_proxy": proxy.url}))
    expect_equal(proxy.count("/file"), 1, "requests through the proxy")
    load(cache(), *one, env={"http_proxy": proxy.url, "no_proxy": "127.0.0.1"})
    expect_equal(proxy.count("/file"), 1, "requests through the proxy")


# Mirrors.


@test
def a_mirror_that_does_not_have_it_is_passed_over_and_not_asked_again():
    first, second = harness.FaultServer(webroot(other=b"")), harness.FaultServer(webroot())
    loaded = load(cache(), *item("file", [first.url + "/file", second.url + "/file"], CONTENT))
    expect_content(loaded)
    expect_equal((loaded[0].url, first.count("/file")), (1, 1))


@test
def a_failure_names_every_mirror_and_what_it_said():
    missing, broken = harness.FaultServer(webroot()), harness.FaultServer(webroot())
    broken.fail("*", 500)
    refused = harness.RefusedPort()
    urls = [f"{missing.url}/none", f"{broken.url}/none", f"{refused.url}/none"]
    words = fail(cache(), *item("it.rpm", urls))
    expect_in("downloading it.rpm", words)
    for url, reason in zip(urls, ("status 404", "status 500", "connect")):
        expect_in(url, words)
        expect_in(reason, words)
    expect_equal([missing.count("none"), broken.count("none")], [1, 3], "requests")


@test
def a_mirror_that_lies_is_named_and_the_next_one_asked():
    liar, honest, where = (harness.FaultServer(webroot()), harness.FaultServer(webroot()), cache())
    liar.flip("/file", 1000)
    loaded = load(where, *item("file", [liar.url + "/file", honest.url + "/file"], CONTENT))
    expect_content(loaded)
    expect_equal((loaded[0].url, liar.count("/file")), (1, 1))
    where = cache()
    words = fail(where, *item("file", [liar.url + "/file"], CONTENT))
    expect_in(f"{liar.url}/file: its sha256 is ", words)
    expect_in(downloadtest.sha256(CONTENT), words)
    expect_equal(leftovers(where), [], "cache")


@test
def a_mirror_with_another_size_is_refused_before_its_body():
    server = ScriptServer(lambda _request, _number: answer(200, CONTENT + b"more"))
    words = fail(cache(), *item("file", [server.url + "/file"], CONTENT))
    expect_in(f"it has {len(CONTENT) + 4} bytes instead of {len(CONTENT)}", words)
    expect_equal(len(server.requests), 1, "requests")


@test
def users_and_passwords_of_urls_are_not_shown():
    server = harness.FaultServer(webroot())
    url = server.url.replace("//", "//somebody:secret@") + "/none"
    words = fail(cache(), *item("file", [url]))
    assert "secret" not in words and "somebody" not in words, words


@test
def what_is_optional_may_be_missing_and_what_is_not_ends_all():
    server = harness.FaultServer(webroot())
    missing = item("missing", [server.url + "/none"])
    wanted = item("file", [server.url + "/file"], CONTENT)
    result = downloadtest.run(cache(), *missing, "--optional", *wanted)
    expect_equal(result.status, 0, str(result))
    expect_in("missing failed ENOENT", result.stdout)
    expect_content(downloadtest.parse(result.stdout))
    server.stall("/file", keep=10)
    expect_in("missing", fail(cache(), *missing, *wanted))


# What passes.


@test
def a_server_that_recovers_is_asked_until_it_does():
    server = harness.FaultServer(webroot())
    server.fail("/file", 503, times=2)
    expect_content(load(cache(), *item("file", [server.url + "/file"], CONTENT)))
    expect_equal(server.count("/file"), 3, "requests")


@test
def a_server_that_names_a_time_is_left_alone_for_that_time():
    server = harness.FaultServer(webroot())
    server.fail("/file", 429, times=1, headers=(("Retry-After", "1"),))
    begin = time.monotonic()
    expect_content(load(cache(), *item("file", [server.url + "/file"], CONTENT)))
    assert time.monotonic() - begin >= 1, "it came back too early"


@test
def a_server_that_names_a_long_time_is_not_waited_for():
    busy, other = harness.FaultServer(webroot()), harness.FaultServer(webroot())
    busy.fail("/file", 429, headers=(("Retry-After", "7200"),))
    loaded = load(cache(), *item("file", [busy.url + "/file", other.url + "/file"], CONTENT))
    expect_equal((loaded[0].url, busy.count("/file")), (1, 1))
    expect_in("status 429", fail(cache(), *item("file", [busy.url + "/file"], CONTENT)))


@test
def a_connection_that_ends_too_early_is_continued():
    server = harness.FaultServer(webroot())
    server.truncate("/file", keep=70_000, times=1)
    loaded = load(cache(), *item("file", [server.url + "/file"], CONTENT))
    expect_content(loaded)
    expect_equal(loaded[0].how, "loaded")
    expect_equal([headers.get("range") for headers in server.headers()], [None, "bytes=70000-"])


@test
def a_broken_file_is_continued_at_another_mirror():
    first, second = harness.FaultServer(webroot()), harness.FaultServer(webroot())
    first.truncate("/file", keep=70_000)
    loaded = load(cache(), *item("file", [first.url + "/file", second.url + "/file"], CONTENT))
    expect_content(loaded)
    expect_equal(second.headers()[0].get("range"), "bytes=70000-")


@test
def a_server_that_stalls_is_given_up_for_the_next():
    slow, good = harness.FaultServer(webroot()), harness.FaultServer(webroot())
    slow.stall("/file", keep=5000)
    loaded = load(cache(), *item("file", [slow.url + "/file", good.url + "/file"], CONTENT))
    expect_content(loaded)
    expect_equal(loaded[0].url, 1)


@test
def a_server_that_ignores_ranges_sends_all_of_it_again():
    def ignore(_request, number: int) -> bytes:
        return answer(200, CONTENT[:70_000] if number == 0 else CONTENT, length=len(CONTENT))

    server = ScriptServer(ignore)
    expect_content(load(cache(), *item("file", [server.url + "/file"], CONTENT)))
    expect_in("range", server.requests[1].headers)


@test
def another_part_than_was_asked_for_is_not_joined():
    def confuse(request, number: int) -> bytes:
        if number == 0:
            return answer(200, CONTENT[:70_000], length=len(CONTENT))
        if "range" in request.headers:
            size = len(CONTENT)
            return answer(206, CONTENT[60_000:], f"Content-Range: bytes 60000-{size - 1}/{size}")
        return answer(200, CONTENT)

    server = ScriptServer(confuse)
    expect_content(load(cache(), *item("file", [server.url + "/file"], CONTENT)))
    expect_equal(len(server.requests), 3, "requests")


@test
def a_file_without_a_checksum_is_continued_only_if_it_is_still_the_same():
    version = [b"A" * 100_000, b"B" * 100_000]

    def change(request, number: int) -> bytes:
        if number == 0:
            return answer(200, version[0][:70_000], 'ETag: "one"', length=100_000)
        same = request.headers.get("if-range") == '"two"'
        return answer(206 if same else 200, version[1], 'ETag: "two"')

    server = ScriptServer(change)
    expect_content(load(cache(), *item("file", [server.url + "/file"])), version[1])
    expect_equal([request.headers.get("if-range") for request in server.requests], [None, '"one"'])


@test
def without_a_checksum_and_without_validators_nothing_is_continued():
    server = ScriptServer(lambda _request, number: answer(
        200, CONTENT if number else CONTENT[:70_000], length=len(CONTENT)))
    expect_content(load(cache(), *item("file", [server.url + "/file"])))
    assert all("range" not in request.headers for request in server.requests)


@test
def a_part_that_was_wrong_is_not_blamed_on_the_mirror_that_continued_it():
    server, where = harness.FaultServer(webroot()), cache()
    with open(f"{where}/sha256-{downloadtest.sha256(CONTENT)}.part", "wb") as file:
        file.write(b"wrong" * 1000)
    expect_content(load(where, *item("file", [server.url + "/file"], CONTENT)))
    expect_equal([headers.get("range") for headers in server.headers()], ["bytes=5000-", None])


# What never ends, or is no answer.


@test
def a_body_without_end_is_cut_at_the_known_size():
    server = rawserver.RawServer(webroot(), rawserver.endless_body)
    where = cache()
    words = fail(where, *item("file", [server.url + "/file"], CONTENT))
    expect_in(f"it sends more than the {len(CONTENT)} bytes", words)
    expect_equal(leftovers(where), [], "cache")


@test
def a_body_without_end_is_cut_at_the_limit_where_no_size_is_known():
    server = rawserver.RawServer(webroot(), rawserver.endless_body)
    where = cache()
    words = fail(where, *item("file", [server.url + "/file"], None, False, "--limit", "300000"))
    expect_in("it sends more than the limit of 300000 bytes", words)
    assert sum(os.path.getsize(os.path.join(where, name)) for name in leftovers(where)) <= 300_000


@test
def headers_without_end_and_what_is_no_http_are_given_up():
    directory = webroot()
    for strange in (rawserver.endless_header, rawserver.no_http, rawserver.broken_header,
                    rawserver.broken_chunks, rawserver.short_length):
        server, good = rawserver.RawServer(directory, strange), harness.FaultServer(directory)
        loaded = load(cache(), *item("file", [server.url + "/file", good.url + "/file"], CONTENT))
        expect_content(loaded)
        expect_equal(loaded[0].url, 1, strange.__name__)


@test
def a_redirect_is_followed_and_a_circle_of_them_is_left():
    server = harness.FaultServer(webroot())
    server.redirect("/moved", server.url + "/file")
    server.redirect("/circle", server.url + "/circle")
    expect_content(load(cache(), *item("file", [server.url + "/moved"], CONTENT)))
    expect_in("redirects", fail(cache(), *item("file", [server.url + "/circle"], CONTENT)))
    assert server.count("/circle") < 20, "it went round and round"


@test
def a_redirect_to_a_file_of_this_machine_is_refused():
    directory = webroot()
    server = harness.FaultServer(directory)
    server.redirect("*", f"file://{directory}/file")
    expect_in("file", fail(cache(), *item("file", [server.url + "/file"], CONTENT)))
    expect_in("rotocol", fail(cache(), *item("file", ["ftp://127.0.0.1/file"], CONTENT)))


@test
def a_certificate_that_nobody_vouches_for_is_refused():
    pem, context = downloadtest.certificate()
    server = ScriptServer(lambda _request, _number: answer(200, CONTENT), context)
    one = item("file", [server.url + "/file"], CONTENT)
    expect_in("certificate", fail(cache(), *one))
    expect_content(load(cache(), "--ca", pem, *one))
    expect_content(load(cache(), *one, env={"SSL_CERT_FILE": pem}))


@test
def a_redirect_out_of_https_is_followed_only_for_content_with_a_checksum():
    pem, context = downloadtest.certificate()
    plain = harness.FaultServer(webroot())
    secure = ScriptServer(lambda request, _number: answer(
        302, b"", f"Location: {plain.url}{request.path}"), context)
    expect_content(load(cache(), "--ca", pem, *item("file", [secure.url + "/file"], CONTENT)))
    fail(cache(), "--ca", pem, *item("file", [secure.url + "/file"]))
    expect_equal(plain.count("/file"), 1, "requests without TLS")


# The cache.


@test
def a_spoilt_entry_is_loaded_again():
    server, where = harness.FaultServer(webroot()), cache()
    one = item("file", [server.url + "/file"], CONTENT)
    path = load(where, *one)[0].path
    with open(path, "r+b") as file:
        file.write(b"spoilt")
    expect_content(load(where, *one))
    expect_equal(server.count("/file"), 2, "requests")


@test
def a_link_in_the_place_of_an_entry_is_not_followed():
    server, where, elsewhere = harness.FaultServer(webroot()), cache(), webroot(victim=b"untouched")
    name = f"{where}/sha256-{downloadtest.sha256(CONTENT)}"
    os.symlink(f"{elsewhere}/victim", name)
    expect_content(load(where, *item("file", [server.url + "/file"], CONTENT)))
    assert not os.path.islink(name)
    os.unlink(name)
    os.symlink(f"{elsewhere}/victim", name + ".part")
    expect_in(".part", fail(where, *item("file", [server.url + "/file"], CONTENT)))
    with open(f"{elsewhere}/victim", "rb") as file:
        expect_equal(file.read(), b"untouched")


@test
def two_at_once_on_one_cache_load_a_file_once():
    server, where = harness.FaultServer(webroot()), cache()
    server.slow("/file", 0.3)
    line = downloadtest.command(where, *item("file", [server.url + "/file"], CONTENT))
    processes = [harness.start(line, env=downloadtest.NO_PROXY) for _ in range(5)]
    for process in processes:
        result = process.wait()
        expect_equal(result.status, 0, str(result))
        expect_content(downloadtest.parse(result.stdout))
    expect_equal(server.count("/file"), 1, "requests")
    expect_equal(leftovers(where), ["sha256-" + downloadtest.sha256(CONTENT)], "cache")


def wait_for_part(where: str, size: int) -> None:
    """Until the partial file has that size."""
    part = f"{where}/sha256-{downloadtest.sha256(CONTENT)}.part"
    for _ in range(3000):
        if os.path.exists(part) and os.path.getsize(part) >= size:
            return
        time.sleep(0.01)
    raise AssertionError("nothing comes")


def start_stalled(server: harness.FaultServer, where: str) -> harness.Process:
    """A download that waits for more than the first 70,000 bytes."""
    server.stall("/file", keep=70_000, times=1)
    patient = [*downloadtest.QUICK, "--low-speed-time", "60"]
    process = harness.start(downloadtest.command(
        where, *item("file", [server.url + "/file"], CONTENT), settings=patient),
        env=downloadtest.NO_PROXY)
    wait_for_part(where, 70_000)
    return process


@test
def a_killed_download_is_continued_by_who_waited_for_it():
    server, where = harness.FaultServer(webroot()), cache()
    process = start_stalled(server, where)
    heir = harness.start(downloadtest.command(where, *item("file", [server.url + "/file"], CONTENT)),
                         env=downloadtest.NO_PROXY)
    process.signal(signal.SIGKILL)
    result = heir.wait()
    expect_equal(result.status, 0, str(result))
    loaded = downloadtest.parse(result.stdout)
    expect_content(loaded)
    expect_equal(loaded[0].resumed, 70_000)


@test
def an_interrupted_download_says_so_and_is_continued_by_the_next_run():
    server, where = harness.FaultServer(webroot()), cache()
    process = start_stalled(server, where)
    process.signal(signal.SIGINT)
    result = process.wait()
    expect_equal(result.status, 1, str(result))
    expect_in("interrupted", result.stderr)
    loaded = load(where, *item("file", [server.url + "/file"], CONTENT))
    expect_content(loaded)
    expect_equal(loaded[0].resumed, 70_000)


@test
def a_full_disk_is_named_and_gets_its_room_back():
    directory, small = webroot(file=downloadtest.body(2_000_000)), harness.temporary_directory()
    server = harness.FaultServer(directory)
    line = downloadtest.command(small, *item("file", [server.url + "/file"]))
    script = f'mount -t tmpfs -o size=1m none {small} || exit 77; "$@"; status=$?; ' \
             f'ls -A {small} >&2; exit $status'
    result = harness.run(["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script,
                          "sh", *line], env=downloadtest.NO_PROXY)
    if result.status == 77 or "unshare" in result.stderr:
        harness.skip("no mount namespaces here")
    expect_equal(result.status, 1, str(result))
    words, *left = result.stderr.splitlines()
    expect_in(f"writing {small}/url-", words)
    expect_in("No space left on device", words)
    expect_equal(left, [], "left on the full disk")


@test
def a_cache_that_cannot_be_made_is_named():
    directory = webroot()
    words = fail(f"{directory}/file/cache", *item("file", [f"file://{directory}/file"]))
    expect_in(f"{directory}/file/cache", words)


@test
def the_cache_is_below_xdg_cache_home_or_home():
    directory, home = webroot(), harness.temporary_directory()
    line = [harness.program("helpers/downloads"), "files",
            *item("file", [f"file://{directory}/file"])]
    for changes, place in (({"XDG_CACHE_HOME": f"{home}/x", "HOME": home}, f"{home}/x/cvmfsexec"),
                           ({"XDG_CACHE_HOME": None, "HOME": home}, f"{home}/.cache/cvmfsexec")):
        result = harness.run(line, env=downloadtest.NO_PROXY | changes, check=True)
        assert downloadtest.parse(result.stdout)[0].path.startswith(place + "/"), result
    result = harness.run(line, env=downloadtest.NO_PROXY | {"XDG_CACHE_HOME": None, "HOME": None})
    expect_in("--cache", result.stderr)


# What is shown.


@test
def a_pipe_gets_one_line_for_each_file_and_silence_is_kept():
    server = harness.FaultServer(webroot())
    one = item("file", [server.url + "/file"], CONTENT)
    where = cache()
    for expected in ("makedist: file: 200.0 kB\n", "makedist: file: 200.0 kB, cached\n"):
        expect_equal(downloadtest.run(where, "--show", *one).stderr, expected)
    expect_equal(downloadtest.run(where, *one).stderr, "")


@test
def a_terminal_gets_lines_that_are_taken_away_again():
    server, where = harness.FaultServer(webroot()), cache()
    server.slow("/file", 0.3)
    master, slave = os.openpty()
    harness.at_end(os.close, master)
    process = harness.start(downloadtest.command(
        where, "--show", *item("file", [server.url + "/file"], CONTENT)), stderr=slave,
        env=downloadtest.NO_PROXY | {"TERM": "xterm"})
    os.close(slave)
    expect_equal(process.wait().status, 0)
    shown = os.read(master, 65536).decode()
    expect_in("0 of 1 files", shown)
    *_, last = shown.rpartition("\x1b[J")
    expect_equal(last, "file: 200.0 kB\r\n", "what stays")


harness.main()
