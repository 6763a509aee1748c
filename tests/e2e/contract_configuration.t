#!/usr/bin/env python3
"""The section "Configuration" of compatibility.md, clause by clause.

The stand-in client shows the configuration that it was given; config repositories are real ones,
served by our own client. What each construct of the shell means is in tests/unit/test_shell.c.
"""

import os
import resource
import shlex
import stat

import harness
from harness import expect_equal, expect_in, test
from launchtree import NAMED, Tree

harness.require_fuse_userns()

FQRN, CONFIG = "a.example.org", "config.example.org"
SERVER_SIDE = ["CVMFS_HTTP_PROXY=DIRECT", "CVMFS_CACHE_BASE=/var/lib/cvmfs",
               "CVMFS_RELOAD_SOCKETS=/var/run/cvmfs", "CVMFS_CLAIM_OWNERSHIP=no",
               "CVMFS_MAX_RETRIES=0", "CVMFS_BACKOFF_INIT=0"]


def add(tree, name, text):
    """A file below dist/etc/cvmfs."""
    os.makedirs(os.path.dirname(tree.path("dist/etc/cvmfs", name)), exist_ok=True)
    tree.write(os.path.join("dist/etc/cvmfs", name), text)


def tree_with_config_repository(files, parameters=()):
    """A tree and its config repository, which has these files below etc/cvmfs."""
    repository = harness.make_repository(
        CONFIG, files={f"etc/cvmfs/{name}": text for name, text in files.items()})
    server = harness.FaultServer(repository.webroot)
    tree = Tree(config_repository=CONFIG, parameters=[*SERVER_SIDE, *parameters])
    tree.use_native_client("config.*")
    add(tree, f"config.d/{CONFIG}.conf",
        f"CVMFS_SERVER_URL={harness.server_url(server)}\nCVMFS_PUBLIC_KEY={repository.public_key}\n")
    return tree


def values(tree, fqrn=FQRN, **options):
    """The parameters that the client of a repository was given."""
    result = tree.cvmfsexec(fqrn, "--", "cat", f"/cvmfs/{fqrn}/config", **options)
    expect_equal(result.status, 0, str(result))
    return parsed(result.stdout)


def parsed(configuration):
    return {name: shlex.split(value)[0] if shlex.split(value) else "" for name, _, value in
            (line.partition("=") for line in configuration.splitlines())}


def mount_on_host(tree, name):
    """Runs mountrepo; skips the test where there is no fusermount to do it."""
    harness.at_end(tree.run, "umountrepo", "-z", "-a")
    result = tree.run("mountrepo", name)
    if result.status and "fusermount" in result.stderr:
        harness.skip(f"fusermount does not work here: {result.stderr}")
    expect_equal(result.status, 0, str(result))


@test
def all_files_are_read_in_their_order_by_one_shell():
    def text(letter):
        return f'ORDER="${{ORDER}}{letter}"\nMARK_{letter}=yes\n'

    tree = tree_with_config_repository({
        "default.conf": text("d"), "domain.d/example.org.conf": text("f"),
        f"config.d/{FQRN}.conf": text("i")})
    for name, letter in (("default.conf", "a"), ("default.d/20-x.conf", "b"),
                         ("default.d/60-x.conf", "c"), ("default.local", "e"),
                         ("domain.d/example.org.conf", "g"), ("domain.d/example.org.local", "h"),
                         (f"config.d/{FQRN}.conf", "j"), (f"config.d/{FQRN}.local", "k"),
                         ("domain.d/other.org.conf", "x"), ("config.d/b.example.org.conf", "x"),
                         ("default.d/README", "x")):
        add(tree, name, text(letter))
    found = values(tree)
    expect_equal(found["ORDER"], "abcdefghijk")
    for letter in "abcdefghijk":
        expect_equal(found.get(f"MARK_{letter}"), "yes", letter)


@test
def our_defaults_stand_only_where_nothing_set_them():
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    tree = Tree()
    add(tree, "default.conf", "CVMFS_NFILES=131072\n")
    found = values(tree)
    expect_equal(found["CVMFS_NFILES"],
                 str(1048576 if hard == resource.RLIM_INFINITY else min(hard, 1048576)))
    expect_equal(found["CVMFS_USYSLOG"], tree.path(f"log/{FQRN}.log"))
    add(tree, "default.local", "CVMFS_NFILES=77\nCVMFS_USYSLOG=/tmp/elsewhere\n")
    found = values(tree)
    expect_equal((found["CVMFS_NFILES"], found["CVMFS_USYSLOG"]), ("77", "/tmp/elsewhere"))


@test
def the_defaults_come_before_the_files_of_domain_and_repository():
    tree = Tree()
    add(tree, "domain.d/example.org.conf", "SEEN=$CVMFS_USYSLOG\nCVMFS_NFILES=$((CVMFS_NFILES-1))\n")
    found = values(tree)
    expect_equal(found["SEEN"], tree.path(f"log/{FQRN}.log"))
    add(tree, "domain.d/example.org.conf", "")
    expect_equal(int(found["CVMFS_NFILES"]), int(values(tree)["CVMFS_NFILES"]) - 1)


@test
def values_that_begin_with_etc_or_var_are_relocated_and_cvmfs_is_where_the_job_sees_it():
    tree = Tree()
    add(tree, "default.conf", 'CVMFS_MOUNT_DIR=/cvmfs\nCVMFS_CACHE_BASE=/var/lib/cvmfs\n'
        'CVMFS_KEYS_DIR="/etc/cvmfs/keys"\nCVMFS_PUBLIC_KEY=/etc/a.pub:/etc/b.pub\n'
        "OTHER=/cvmfsexec-other\nWORD=/etcetera\nURL=http://h/etc\nBELOW=$CVMFS_MOUNT_DIR/x\n")
    found = values(tree)
    dist = tree.path("dist")
    for name, value in (("CVMFS_CACHE_BASE", f"{dist}/var/lib/cvmfs"),
                        ("CVMFS_KEYS_DIR", f"{dist}/etc/cvmfs/keys"),
                        ("CVMFS_PUBLIC_KEY", f"{dist}/etc/a.pub:{dist}/etc/b.pub"),
                        ("CVMFS_MOUNT_DIR", "/cvmfs"), ("BELOW", "/cvmfs/x"),
                        ("OTHER", "/cvmfsexec-other"), ("WORD", "/etcetera"),
                        ("URL", "http://h/etc")):
        expect_equal(found[name], value, name)


@test
def for_mountrepo_cvmfs_is_relocated_too_but_not_in_the_certificates_of_oasis():
    tree = Tree(user=NAMED, parameters=[
        "CVMFS_MOUNT_DIR=/cvmfs", "OTHER=/cvmfsexec-other",
        "OASIS_CERTIFICATES=/cvmfs/oasis.opensciencegrid.org/mis/certificates"])
    certificates = {}
    for fqrn in (FQRN, "oasis.opensciencegrid.org"):
        mount_on_host(tree, fqrn)
        found = parsed(harness.run(["cat", tree.path("dist/cvmfs", fqrn, "config")],
                                   user=tree.user, check=True).stdout)
        expect_equal(found["CVMFS_MOUNT_DIR"], tree.path("dist/cvmfs"))
        expect_equal(found["OTHER"], "/cvmfsexec-other")
        certificates[fqrn] = found["OASIS_CERTIFICATES"]
    expect_equal(certificates, {
        FQRN: tree.path("dist/cvmfs/oasis.opensciencegrid.org/mis/certificates"),
        "oasis.opensciencegrid.org": "/cvmfs/oasis.opensciencegrid.org/mis/certificates"})


@test
def files_are_shell_as_configuration_packages_write_it():
    tree = tree_with_config_repository({
        "default.conf": 'SERVER1="http://one/wpad.dat"\nSERVER2="http://two/wpad.dat"\n'
                        'if [ $((RANDOM % 2)) -eq 0 ]; then\n  WPAD="$SERVER1;$SERVER2"\nelse\n'
                        '  WPAD="$SERVER2;$SERVER1"\nfi\nCVMFS_PAC_URLS="http://grid-wpad;$WPAD"\n'
                        "export CVMFS_MAGIC_XATTRS_VISIBILITY=rootonly\n",
        "common.conf": 'if [ "$CVMFS_CLIENT_PROFILE" = "single" ] && '
                       '[ "$CVMFS_HTTP_PROXY" = "" ]; then\n  CVMFS_HTTP_PROXY="auto;DIRECT"\nfi\n'
                       'if [ "$CVMFS_HTTP_PROXY" = "DIRECT" ] || \\\n'
                       '   [ "$CVMFS_HTTP_PROXY" = "auto;DIRECT" ]; then\n'
                       "  : ${CVMFS_USE_CDN:=yes}\nelse\n"
                       '  CVMFS_FALLBACK_PROXY="http://b1:3126;http://b2:3126"\nfi\n'
                       "source ../nested/more.conf\n",
        "nested/more.conf": "case $CVMFS_FQRN in\n*.example.org)\n  NESTED=deep\n  ;;\nesac\n",
        "domain.d/example.org.conf":
            'CVMFS_USE_CDN="$CVMFS_USE_CDN"\n. ../common.conf\n'
            'if [ "$CVMFS_USE_CDN" = "yes" ]; then\n'
            '  CVMFS_SERVER_URL="http://cdn1/cvmfs/@fqrn@;http://cdn2/cvmfs/@fqrn@"\n'
            'elif [ ! -f /etc/cvmfs/no-such-file ]; then\n'
            '  CVMFS_SERVER_URL="http://s1/@org@"\nfi\n'
            "CVMFS_KEYS_DIR=$CVMFS_MOUNT_DIR/$CVMFS_CONFIG_REPOSITORY/etc/cvmfs/keys/example.org\n"
            "readonly CVMFS_USE_GEOAPI=yes\n",
    }, ["CVMFS_MOUNT_DIR=/cvmfs"])
    add(tree, f"config.d/{CONFIG}.local", "CVMFS_KEYS_DIR=\n")
    found = values(tree)
    expect_equal(found["CVMFS_SERVER_URL"],
                 f"http://cdn1/cvmfs/{FQRN};http://cdn2/cvmfs/{FQRN}")
    expect_equal(found["CVMFS_KEYS_DIR"], f"/cvmfs/{CONFIG}/etc/cvmfs/keys/example.org")
    expect_equal((found["NESTED"], found["CVMFS_USE_GEOAPI"],
                  found["CVMFS_MAGIC_XATTRS_VISIBILITY"]), ("deep", "yes", "rootonly"))
    expect_in("http://one/wpad.dat", found["CVMFS_PAC_URLS"])
    add(tree, "default.local", "CVMFS_HTTP_PROXY=http://squid:3128\n")
    add(tree, f"config.d/{CONFIG}.local", "CVMFS_HTTP_PROXY=DIRECT\n")
    found = values(tree)
    expect_equal((found["CVMFS_SERVER_URL"], found["CVMFS_FALLBACK_PROXY"]),
                 ("http://s1/a", "http://b1:3126;http://b2:3126"))


@test
def of_random_servers_each_comes_first_now_and_then():
    tree = Tree(parameters=["FIRST=$((RANDOM % 2))"])
    found = {values(tree)["FIRST"] for _ in range(40)}
    expect_equal(found, {"0", "1"})


@test
def a_file_may_read_what_the_tree_says_of_its_system():
    tree = Tree(parameters=[". /etc/os-release", "SYSTEM=$ID_LIKE-$VERSION_ID"])
    tree.write("dist/etc/os-release", 'ID_LIKE="rhel"\nVERSION_ID="9"\n')
    expect_equal(values(tree)["SYSTEM"], "rhel-9")


@test
def everything_a_site_sets_reaches_the_client():
    site = {"CVMFS_SYSLOG_LEVEL": "2", "CVMFS_SYSLOG_FACILITY": "5", "CVMFS_SYSLOG_PREFIX": "x y",
            "CVMFS_QUOTA_LIMIT": "20000", "CMS_LOCAL_SITE": "T2_XX", "CVMFS_DEBUGLOG": ""}
    tree = Tree(parameters=[f"{name}='{value}'" for name, value in site.items()])
    found = values(tree)
    for name, value in site.items():
        expect_equal(found[name], value, name)
    expect_equal(found["CVMFS_AUTHZ_CVMFS_DIST"], tree.path("dist"))
    arguments = tree.cvmfsexec(FQRN, "--", "cat", f"/cvmfs/{FQRN}/arguments").stdout
    assert ",debug" not in arguments, "an empty CVMFS_DEBUGLOG is none"


@test
def helpers_for_authorisation_are_the_trees_where_the_host_has_none():
    place, name = "usr/libexec/cvmfs/authz", "CVMFS_AUTHZ_SEARCH_PATH"
    tree = Tree()
    expect_equal(values(tree).get(name), None, "a tree without any")
    os.makedirs(tree.path("dist", place))
    own = None if os.path.exists(f"/{place}") else tree.path("dist", place)
    expect_equal(values(tree).get(name), own)
    tree.write("dist/etc/cvmfs/default.local", f"{name}=/opt/helpers\n")
    expect_equal(values(tree)[name], "/opt/helpers", "what the site says")


@test
def of_several_config_repositories_in_default_d_the_last_one_counts():
    tree = Tree()
    add(tree, "default.d/10-a.conf", "CVMFS_CONFIG_REPOSITORY=one.example.org\n")
    add(tree, "default.d/60-b.conf",
        "if true; then\n  CVMFS_CONFIG_REPOSITORY='two.example.org'\nfi\n")
    add(tree, "default.local", "CVMFS_CONFIG_REPOSITORY=three.example.org\n")
    result = tree.cvmfsexec("--", "ls", "/cvmfs")
    expect_equal(result.stdout, "two.example.org\n", str(result))
    expect_equal(values(tree)["CVMFS_CONFIG_REPOSITORY"], "two.example.org")


@test
def the_config_repository_is_readable_before_the_next_mount_begins_and_unmounted_last():
    if not harness.run("command -v strace").stdout:
        harness.skip("no strace")
    tree = Tree(config_repository="slow.example.org")
    tree.write("dist/usr/bin/standin", "")
    tree.use_native_client("none.*")
    with open(tree.path("dist/usr/bin/cvmfs2")) as file:
        script = file.read()
    tree.write("dist/usr/bin/cvmfs2", script.replace(
        "case $3 in", "case $3 in\n[ab].*) cat /cvmfs/slow.example.org/fqrn >>"
        f"{shlex.quote(tree.path('dist/seen'))} ;;\nesac\ncase $3 in", 1), 0o755)
    trace = os.path.join(tree.directory, "trace")
    result = harness.run(["strace", "-f", "-s", "200", "-e", "trace=umount2", "-o", trace,
                          *tree.command("b.example.org", FQRN, "--", "true")], user=tree.user,
                         cwd="/")
    if result.status and "ptrace" in result.stderr:
        harness.skip("strace is not allowed")
    expect_equal(result.status, 0, str(result))
    with open(tree.path("dist/seen")) as file:
        expect_equal(file.read(), "slow.example.org\n" * 2)
    with open(trace) as file:
        unmounted = [line.split('"')[1] for line in file if '"/cvmfs/' in line]
    expect_equal((len(unmounted), unmounted[-1]), (3, "/cvmfs/slow.example.org"), str(unmounted))


@test
def without_a_required_config_repository_nothing_is_mounted():
    tree = Tree(config_repository="empty.example.org",
                parameters=["CVMFS_CONFIG_REPO_REQUIRED=yes"])
    result = tree.cvmfsexec(FQRN, "--", "echo", "started")
    expect_equal((result.status, result.stdout), (1, ""), str(result))
    expect_in("the config repository empty.example.org has no /cvmfs/empty.example.org/etc/cvmfs",
              result.stderr)
    expect_in("CVMFS_CONFIG_REPO_REQUIRED", result.stderr)


@test
def one_that_is_not_required_and_has_nothing_to_say_is_a_warning():
    tree = Tree(config_repository="empty.example.org")
    result = tree.cvmfsexec(FQRN, "b.example.org", "--", "echo", "started")
    expect_equal((result.status, result.stdout), (0, "started\n"), str(result))
    expect_equal(result.stderr, "cvmfsexec: warning: the config repository empty.example.org has "
                 "no /cvmfs/empty.example.org/etc/cvmfs\n")


@test
def a_config_repository_that_cannot_be_mounted_ends_it_with_the_reason():
    tree = tree_with_config_repository({"default.conf": ""})
    add(tree, f"config.d/{CONFIG}.local", "CVMFS_SERVER_URL=http://127.0.0.1:1/cvmfs/@fqrn@\n")
    result = tree.cvmfsexec(FQRN, "--", "echo", "started")
    expect_equal((result.status, result.stdout), (16, ""), str(result))
    expect_in(f"mounting {CONFIG} failed", result.stderr)
    expect_in("127.0.0.1:1", result.stderr)


@test
def a_name_without_a_dot_gets_the_default_domain_everywhere():
    tree = Tree(parameters=["CVMFS_DEFAULT_DOMAIN=example.org"])
    result = tree.cvmfsexec("a", "--", "/bin/sh", "-c", "ls /cvmfs; \"$CVMFSMOUNT\" b && ls /cvmfs; "
                            "\"$CVMFSUMOUNT\" b && ls /cvmfs; \"$CVMFSUMOUNT\" b")
    expect_equal(result.stdout, "a.example.org\n" "a.example.org\nb.example.org\n" "a.example.org\n",
                 str(result))
    expect_equal(result.stderr, "umountrepo: b.example.org is not mounted\n")
    expect_equal(values(tree)["CVMFS_USYSLOG"], tree.path("log/a.example.org.log"))


@test
def mountrepo_gives_the_default_domain_too():
    tree = Tree(user=NAMED, parameters=["CVMFS_DEFAULT_DOMAIN=example.org"])
    mount_on_host(tree, "a")
    expect_equal(os.listdir(tree.path("dist/cvmfs")), [FQRN])
    expect_equal(tree.run("umountrepo", "a").status, 0)
    expect_equal(os.listdir(tree.path("dist/cvmfs")), [])


@test
def a_domain_that_is_none_is_said():
    result = Tree(parameters=["CVMFS_DEFAULT_DOMAIN=../x"]).cvmfsexec("a", "--", "true")
    expect_equal(result.status, 1)
    expect_in("CVMFS_DEFAULT_DOMAIN", result.stderr)


@test
def with_strict_mount_only_listed_repositories_are_mounted():
    tree = Tree(config_repository="empty.example.org", parameters=[
        "CVMFS_STRICT_MOUNT=yes", "CVMFS_REPOSITORIES=a,b.example.org",
        "CVMFS_DEFAULT_DOMAIN=example.org"])
    result = tree.cvmfsexec("a.example.org", "b", "--", "ls", "/cvmfs")
    expect_equal(result.stdout, "a.example.org\nb.example.org\nempty.example.org\n", str(result))
    result = tree.cvmfsexec("c.example.org", "--", "echo", "started")
    expect_equal((result.status, result.stdout), (1, ""), str(result))
    expect_in("c.example.org is not in CVMFS_REPOSITORIES", result.stderr)
    result = tree.cvmfsexec("a", "--", "/bin/sh", "-c", "\"$CVMFSMOUNT\" c; echo $?")
    expect_equal(result.stdout, "1\n")
    expect_in("c.example.org is not in CVMFS_REPOSITORIES", result.stderr)


@test
def a_file_that_cannot_be_evaluated_is_named_with_its_line():
    for name, text, line, words in (
            ("default.d/70-x.conf", "A=1\nif [ x ]; then\n  A=2\n", 4, "syntax error"),
            ("default.local", "A=1\n\nB=${C:?is missing}\n", 3, "C: is missing"),
            ("domain.d/example.org.conf", "B=$((1 / 0))\n", 1, "arithmetic: division by zero"),
            (f"config.d/{FQRN}.local", "A='1\n", 1, "syntax error")):
        tree = Tree()
        add(tree, name, text)
        result = tree.cvmfsexec(FQRN, "--", "echo", "started")
        expect_equal((result.status, result.stdout), (1, ""), str(result))
        expect_in(f"{tree.path('dist/etc/cvmfs', name)}:{line}: {words}", result.stderr)


@test
def what_went_wrong_without_ending_a_file_is_one_warning():
    tree = Tree(parameters=["readonly X=1", "X=2", ". ./no-such-file", "Y=3"])
    names = [FQRN, "b.example.org", "c.example.org"]
    result = tree.cvmfsexec(*names, "--", "/bin/sh", "-c", "echo started; \"$CVMFSMOUNT\" d.example.org")
    expect_equal((result.status, result.stdout), (0, "started\n"), str(result))
    where = tree.path("dist/etc/cvmfs/default.d/50-test.conf")
    expect_equal(result.stderr, f"cvmfsexec: warning: {where}:2: X is readonly and keeps its value\n"
                 f"mountrepo: warning: {where}:2: X is readonly and keeps its value\n")
    found = values(tree)
    expect_equal((found["X"], found["Y"]), ("1", "3"))


@test
def a_configuration_cannot_write_to_the_output_of_the_job():
    tree = Tree(parameters=["echo loud", "ls /", "A=$(echo quiet)"])
    result = tree.cvmfsexec(FQRN, "--", "sed", "-n", "s/^A=//p", f"/cvmfs/{FQRN}/config")
    expect_equal((result.stdout, result.stderr), ("'quiet'\n", ""))


@test
def the_log_that_is_shown_is_where_the_site_put_it():
    tree = Tree()
    elsewhere = os.path.join(harness.temporary_directory(tree.user), "a log")
    add(tree, "default.local", f"CVMFS_USYSLOG='{elsewhere}'\n")
    result = tree.cvmfsexec("fails.example.org", "--", "true")
    expect_equal(result.status, 16)
    expect_in(f"{elsewhere}:\n", result.stderr)
    expect_in("line 19 of the log", result.stderr)
    assert "line 9 of the log" not in result.stderr, "only the last lines"
    expect_equal(stat.S_ISREG(os.stat(elsewhere).st_mode), True)


harness.main()
