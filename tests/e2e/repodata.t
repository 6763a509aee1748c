#!/usr/bin/env python3
"""Metadata of package repositories: made by createrepo_c from packages made by rpmbuild, and spoilt
in every way."""

import functools
import gzip
import hashlib
import os
import re
import shutil
import subprocess

import downloadtest
import harness
from harness import expect_equal, expect_in, test

SPECIFICATION = """
Name: {name}
Version: {version}
Release: {release}
Epoch: {epoch}
Summary: A package of the tests
License: BSD
{lines}
%description
A package of the tests.
%install
mkdir -p %{{buildroot}}/usr/bin
echo {version} > %{{buildroot}}/usr/bin/{name}
%files
/usr/bin/{name}
"""
CLIENT = "Requires: libfuse3.so.3()(64bit)\nRequires: config >= 2\nRequires: libc.so.6(GLIBC_2.34)(64bit)"
# name, version, release, architecture, further lines, epoch
PACKAGES = [
    ("client", "2.9.4", "1.el9", "x86_64", CLIENT, 0),
    ("client", "2.10.0", "1.el9", "x86_64", CLIENT, 0),
    ("client", "2.11.0~rc1", "1.el9", "x86_64", CLIENT, 0),
    ("client", "2.10.0", "2.el9", "x86_64", CLIENT, 0),
    ("client", "3.0.0", "1.el9", "aarch64", CLIENT, 0),
    ("config", "1.0", "1", "noarch", "", 0),
    ("config", "2.4", "1", "noarch", "", 0),
    ("fuse3-libs", "3.10", "1", "x86_64", "Provides: libfuse3.so.3()(64bit)", 0),
    ("fuse3-libs", "3.9", "9", "x86_64", "Provides: libfuse3.so.3()(64bit)", 0),
    ("other-libs", "1", "1", "x86_64", "Provides: libfuse3.so.3()(64bit)", 0),
    ("renumbered", "20200101", "1", "noarch", "", 0),
    ("renumbered", "1.0", "1", "noarch", "", 1),
]


@functools.cache
def packages() -> str:
    """A directory with all packages. Made once, outside of a test."""
    top = harness.temporary_directory(whole_script=True)
    for number, (name, version, release, architecture, lines, epoch) in enumerate(PACKAGES):
        path = os.path.join(top, f"{number}.spec")
        with open(path, "w", encoding="utf-8") as file:
            file.write(SPECIFICATION.format(name=name, version=version, release=release,
                                            epoch=epoch, lines=lines))
        harness.run(["rpmbuild", "-bb", "--quiet", "--nodeps", "--define", f"_topdir {top}", "--target",
                     architecture, path], check=True, env={"HOME": top})
    directory = os.path.join(top, "all")
    os.mkdir(directory)
    for folder, _, names in os.walk(os.path.join(top, "RPMS")):
        for name in names:
            shutil.move(os.path.join(folder, name), directory)
    return directory


def repository(compression: str = "gz") -> str:
    """A new repository with all packages."""
    directory = harness.temporary_directory()
    os.symlink(packages(), os.path.join(directory, "Packages"))
    harness.run(["createrepo_c", "--quiet", "--general-compress-type", compression, directory],
                check=True)
    return directory


def find_primary(directory: str) -> str:
    """The name of primary.xml."""
    names = [name for name in os.listdir(f"{directory}/repodata") if "-primary.xml" in name]
    assert len(names) == 1, names
    return f"{directory}/repodata/{names[0]}"


def primary_text(directory: str) -> str:
    """Its content."""
    with gzip.open(find_primary(directory), "rt", encoding="utf-8") as file:
        return file.read()


def replace_primary(directory: str, unpacked: bytes, packed: bytes, suffix: str = "gz") -> None:
    """Puts another primary.xml there, with all checksums and sizes right, under a new name."""
    with open(f"{directory}/repodata/repomd.xml", encoding="utf-8") as file:
        text = file.read()
    begin, end = re.search(r'<data type="primary">.*?</data>', text, re.S).span()
    os.unlink(find_primary(directory))
    name = f"repodata/new-primary.xml.{suffix}"
    with open(f"{directory}/{name}", "wb") as file:
        file.write(packed)
    entry = (f'<data type="primary"><checksum type="sha256">{downloadtest.sha256(packed)}</checksum>'
             f'<open-checksum type="sha256">{downloadtest.sha256(unpacked)}</open-checksum>'
             f'<location href="{name}"/><size>{len(packed)}</size></data>')
    with open(f"{directory}/repodata/repomd.xml", "w", encoding="utf-8") as file:
        file.write(text[:begin] + entry + text[end:])


def edit_primary(directory: str, old: str, new: str, count: int = -1) -> None:
    """Changes its words."""
    text = primary_text(directory)
    assert old in text, text
    changed = text.replace(old, new, count).encode()
    replace_primary(directory, changed, gzip.compress(changed))


def edit_repomd(directory: str, pattern: str, new: str) -> None:
    """Changes the words of repomd.xml."""
    path = f"{directory}/repodata/repomd.xml"
    with open(path, encoding="utf-8") as file:
        text, count = re.subn(pattern, new, file.read(), flags=re.S)
    assert count > 0, pattern
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def ask(*words: str, cache: str | None = None) -> harness.Result:
    """The program's answer."""
    return downloadtest.run(cache or harness.temporary_directory(), *words, what="repodata")


def answers(*words: str, cache: str | None = None) -> list[str]:
    """The lines that it printed."""
    result = ask(*words, cache=cache)
    expect_equal(result.status, 0, str(result))
    return result.stdout.splitlines()


def refusal(*words: str) -> str:
    """The words with which it failed."""
    result = ask(*words)
    expect_equal(result.status, 1, str(result))
    return result.stderr


def files(lines: list[str]) -> list[str]:
    """Of lines about packages, the names of their files."""
    return [line.split()[2] for line in lines]


# Questions.


@test
def the_newest_package_is_the_newest_by_the_order_of_rpm():
    base = harness.NginxServer(repository()).url
    lines = answers("--repository", "r", base, "--find", "client", "--find", "renumbered",
                    "--find-version", "client", "2.9.4", "--find-version", "client", "2.10.0")
    expect_equal(files(lines), ["client-2.11.0~rc1-1.el9.x86_64.rpm", "renumbered-1.0-1.noarch.rpm",
                                "client-2.9.4-1.el9.x86_64.rpm", "client-2.10.0-2.el9.x86_64.rpm"])


@test
def size_and_checksum_are_those_of_the_file():
    directory = repository()
    line = answers("--repository", "r", f"file://{directory}", "--find", "config")[0]
    with open(f"{packages()}/config-2.4-1.noarch.rpm", "rb") as file:
        content = file.read()
    expect_equal(line, f"r config-2.4-1.noarch config-2.4-1.noarch.rpm "
                       f"Packages/config-2.4-1.noarch.rpm {len(content)} "
                       f"sha256:{hashlib.sha256(content).hexdigest()}")


@test
def all_compressions_are_read():
    xz, zstd, none = repository("xz"), repository(), repository()
    text = primary_text(zstd).encode()
    replace_primary(zstd, text, subprocess.run(["zstd", "-q", "-c"], input=text, check=True,
                                               capture_output=True).stdout, "zst")
    replace_primary(none, text, text, "xml")
    for directory in (xz, zstd, none):
        lines = answers("--repository", "r", f"file://{directory}", "--find", "client")
        expect_equal(files(lines), ["client-2.11.0~rc1-1.el9.x86_64.rpm"])


@test
def the_versions_of_a_package_are_listed_newest_first():
    base = f"file://{repository()}"
    expect_equal(answers("--repository", "r", base, "--versions", "client"),
                 ["2.11.0~rc1", "2.10.0", "2.9.4"])
    words = refusal("--repository", "r", base, "--find-version", "client", "2.8")
    expect_in("no version 2.8 of client", words)
    expect_in("2.11.0~rc1, 2.10.0, 2.9.4", words)
    expect_in("no package nothing for x86_64", refusal("--repository", "r", base, "--find", "nothing"))


@test
def providers_are_found_by_library_symbol_file_and_condition():
    base = f"file://{repository()}"

    def providers(question: str, words: str) -> list[str]:
        return files(answers("--repository", "r", base, question, words))

    expect_equal(sorted(providers("--providers", "libfuse3.so.3()(64bit)")),
                 ["fuse3-libs-3.10-1.x86_64.rpm", "other-libs-1-1.x86_64.rpm"])
    expect_equal(providers("--providers", "/usr/bin/config"), ["config-2.4-1.noarch.rpm"])
    expect_equal(providers("--providers", "libnone.so.1()(64bit)"), [])
    expect_equal(providers("--resolve", "config >= 2"), ["config-2.4-1.noarch.rpm"])
    expect_equal(providers("--resolve", "config < 2"), ["config-1.0-1.noarch.rpm"])
    expect_equal(providers("--resolve", "config > 3"), [])
    expect_equal(providers("--resolve", "(config < 2 or nothing)"), ["config-1.0-1.noarch.rpm"])
    expect_equal(providers("--resolve", "no sense at all"), [])


@test
def requirements_are_listed_without_those_of_rpm_itself():
    expect_equal(sorted(answers("--repository", "r", f"file://{repository()}", "--requires", "client")),
                 ["config >= 2", "libc.so.6(GLIBC_2.34)(64bit)", "libfuse3.so.3()(64bit)"])


@test
def urls_are_below_each_base_and_escaped():
    directory = repository()
    edit_primary(directory, 'href="Packages/config-2.4-1.noarch.rpm"',
                 'href="Packages/config-2.4+a b-1.noarch.rpm"')
    lines = answers("--repository", "r", f"file://{directory}/", "http://127.0.0.1:9/x//", "--urls",
                    "config")
    path = "Packages/config-2.4%2Ba%20b-1.noarch.rpm"
    expect_equal(lines, [f"file://{directory}/{path}", f"http://127.0.0.1:9/x/{path}"])


@test
def several_repositories_are_one_with_the_newest_of_all():
    old, new = repository(), repository()
    edit_primary(old, "2.11.0~rc1", "2.0")
    base = ["--repository", "old", f"file://{old}", "--repository", "new", f"file://{new}"]
    lines = answers(*base, "--find", "client", "--find", "config")
    expect_equal([line.split()[0] for line in lines], ["new", "old"])


# Loading.


@test
def metadata_that_did_not_change_is_not_sent_again():
    server, cache = harness.NginxServer(repository()), harness.temporary_directory()
    for _ in range(2):
        answers("--repository", "r", server.url, "--find", "client", cache=cache)
    expect_equal([(line.split()[0], line.endswith("repomd.xml")) for line in server.log()],
                 [("200", True), ("200", False), ("304", True)])


@test
def a_repository_without_metadata_is_passed_over_where_it_is_optional():
    server = harness.NginxServer(harness.temporary_directory())
    good = f"file://{repository()}"
    lines = answers("--repository", "bare", server.url, "--optional", "--repository", "good", good,
                    "--find", "client")
    expect_equal(lines[0], "bare passed over")
    expect_in("status 404", refusal("--repository", "bare", server.url, "--find", "client"))
    dead = harness.RefusedPort().url
    expect_in(dead, refusal("--repository", "dead", dead, "--optional", "--find", "client"))


@test
def a_mirror_without_metadata_is_passed_over():
    empty, server = harness.FaultServer(harness.temporary_directory()), harness.NginxServer(repository())
    lines = answers("--repository", "r", empty.url, server.url, "--find", "client")
    expect_equal(len(lines), 1)
    expect_equal(len(empty.requests()), 1, "requests to the mirror that has nothing")


@test
def a_list_of_packages_that_was_changed_is_not_believed():
    directory = repository()
    server = harness.FaultServer(directory)
    server.flip("*primary.xml*", 100)
    words = refusal("--repository", "r", server.url, "--find", "client")
    expect_in("r/primary.xml", words)
    expect_in("its sha256 is", words)


@test
def a_list_of_packages_is_held_against_its_checksum_unpacked():
    directory = repository()
    edit_repomd(directory, r'(<open-checksum type="sha256">)[0-9a-f]{64}', r"\g<1>" + "0" * 64)
    words = refusal("--repository", "r", f"file://{directory}", "--find", "client")
    expect_in("its sha256 unpacked is", words)


@test
def packed_data_that_ends_early_or_is_none_is_refused():
    text = primary_text(repository()).encode()
    for packed in (gzip.compress(text)[:-200], b"\x1f\x8b\x08garbage"):
        directory = repository()
        replace_primary(directory, text, packed)
        words = refusal("--repository", "r", f"file://{directory}", "--find", "client")
        expect_in("primary.xml of r: it", words)


@test
def broken_xml_is_refused():
    directory = repository()
    text = primary_text(directory).encode()[:-100]
    replace_primary(directory, text, gzip.compress(text))
    expect_in("it is broken", refusal("--repository", "r", f"file://{directory}", "--find", "client"))
    for content in ("<html>sorry</html>", "<repomd", "", "\0" * 100):
        with open(f"{directory}/repodata/repomd.xml", "w", encoding="utf-8") as file:
            file.write(content)
        expect_in("repomd.xml of r", refusal("--repository", "r", f"file://{directory}", "--find", "x"))


@test
def metadata_that_leads_out_of_its_repository_is_refused():
    for place in ("../primary.xml.gz", "/etc/passwd", "http://127.0.0.1/primary.xml.gz",
                  "repodata/../../x.gz", "repodata/%2e%2e/x.gz"):
        directory = repository()
        edit_repomd(directory, r'(<data type="primary">.*?<location href=")[^"]*', r"\g<1>" + place)
        expect_in("outside of the repository",
                  refusal("--repository", "r", f"file://{directory}", "--find", "client"))


@test
def checksums_that_protect_from_nothing_are_refused():
    directory = repository()
    edit_repomd(directory, r'(<data type="primary">.*?)<checksum type="sha256">[0-9a-f]*',
                r'\1<checksum type="md5">' + "0" * 32)
    expect_in("no good checksum",
              refusal("--repository", "r", f"file://{directory}", "--find", "client"))


@test
def a_package_outside_of_its_repository_is_not_there():
    good = 'href="Packages/config-2.4-1.noarch.rpm"'
    for bad in ('href="../config-2.4-1.noarch.rpm"', 'href="/etc/config-2.4-1.noarch.rpm"',
                'href="Packages/../../config-2.4-1.noarch.rpm"',
                'href="http://127.0.0.1/config-2.4-1.noarch.rpm"',
                'xml:base="http://127.0.0.1/" ' + good, 'href="a?b"', 'href="a%00b"', 'href=""'):
        directory = repository()
        edit_primary(directory, good, bad)
        lines = answers("--repository", "r", f"file://{directory}", "--find", "config")
        expect_equal(files(lines), ["config-1.0-1.noarch.rpm"], bad)


@test
def a_package_without_a_good_checksum_is_not_there():
    directory = repository()
    changed = re.sub(r'<checksum type="sha256" pkgid="YES">[0-9a-f]*',
                     '<checksum type="md5" pkgid="YES">' + "0" * 32, primary_text(directory)).encode()
    replace_primary(directory, changed, gzip.compress(changed))
    expect_in("no package client", refusal("--repository", "r", f"file://{directory}", "--find", "client"))


# Listings.


@test
def a_server_without_metadata_is_listed():
    page = "".join(f'<li><A HREF="./{name}">{name}</A></li>' for name in sorted(os.listdir(packages())))
    server = harness.FaultServer(harness.temporary_directory())
    server.garbage("/el9/", f"<html><body><ul>{page}</ul></body></html>".encode())
    result = downloadtest.run(harness.temporary_directory(), server.url + "/el9/", "--find", "client",
                              "--find-version", "client", "2.9.4", what="listing")
    expect_equal(result.stdout.splitlines(),
                 ["client-2.11.0~rc1-1.el9.x86_64.rpm", "client-2.9.4-1.el9.x86_64.rpm"], str(result))


@test
def a_directory_of_this_machine_is_listed():
    result = downloadtest.run(harness.temporary_directory(), f"file://{packages()}", "--find", "config",
                              what="listing")
    expect_equal(result.stdout, "config-2.4-1.noarch.rpm\n", str(result))


packages()
harness.main()
