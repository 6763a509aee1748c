#!/usr/bin/env python3
"""The known callers: pilots and workflow systems, each with the command lines, the reading of their
output and the order of steps that its scripts have, in our own words.

Where they look at all mounts of the host, only those of the test are looked at.
"""

import os
import shlex
import shutil
import signal
import time

import bundlesite
import harness
from bundlesite import CONFIG, Node
from harness import expect_equal, expect_in, test

harness.require_fuse_userns()

CMS, OASIS = "cms.cern.ch", "oasis.opensciencegrid.org"
EESSI = "software.eessi.io"


def need_fusermount():
    if why_not:
        harness.skip(f"fusermount does not work here: {why_not}")


def left_of(node):
    """What is still there of a node's runs."""
    return node.mounts() + node.processes()


class Checkout(Node):
    """A directory with the commands and dist side by side, as sites and containers unpack it from an
    archive of theirs."""

    def __init__(self):
        super().__init__(site)
        self.run("-v", check=True)
        os.rename(self.home, os.path.join(self.directory, "unpacked"))
        os.unlink(self.file)
        self.home = os.path.join(self.directory, "unpacked")


@test
def glideinwms_starts_itself_again_inside_and_mounts_from_there():
    # Its releases count the mounts by one word or the other.
    for word in ("/dev/fuse", "cvmfs2"):
        node = Node(site, "cvmfsexec-osg-rhel9-x86_64")
        startup = os.path.join(node.directory, "startup.sh")
        with open(startup, "w", encoding="utf-8") as file:
            file.write(f"""#!/bin/bash
[ "$GWMS_CVMFS_REEXEC" = yes ] || exit 9
mounted() {{ cat /proc/$$/mounts | grep {word} | grep ' /cvmfs' | wc -l; }}
echo before $(mounted)
for repository in $(echo "$REPOSITORIES" | tr : '\\n'); do $CVMFSMOUNT "$repository" || exit; done
echo after $(mounted)
place=$(findmnt -t fuse -S /dev/fuse | grep "$PWD" | tail -n 1 | cut -d ' ' -f 1)
[ -z "$place" ] || echo found $place
cat /cvmfs/{OASIS}/name; echo
for repository in $(echo "$REPOSITORIES" | tr : '\\n') {CONFIG}; do
    $CVMFSUMOUNT "$repository" || exit
done
echo unmounted $(mounted) $(findmnt -t fuse -S {word} | grep -e "$PWD" -e /cvmfs/)
""")
        os.chmod(startup, 0o755)
        result = node.script('exec "$1" -- "$2"', node.file, startup, env={
            "GWMS_CVMFS_REEXEC": "yes", "REPOSITORIES": f"{CMS}:{OASIS}"})
        expect_equal((result.status, result.stderr), (0, ""), str(result))
        expect_equal(result.stdout.splitlines(), ["before 1", "after 3", OASIS, "unmounted 0"])
        expect_equal(left_of(node), [])


@test
def glideinwms_mounts_on_the_host_where_it_cannot_do_that():
    need_fusermount()
    node = Node(site, "cvmfsexec-osg-rhel9-x86_64")
    result = node.script(f"""
mounted() {{ cat /proc/$$/mounts | grep /dev/fuse | grep "$PWD" | wc -l; }}
"$1" {CONFIG} -- echo "setting up" &>/dev/null
for repository in {CONFIG} {CMS} {OASIS}; do ./.cvmfsexec/mountrepo "$repository" || exit; done
echo $(mounted) $(df -h | grep "$PWD/.*/cvmfs" | wc -l)
dirname $(findmnt -t fuse -S /dev/fuse | grep "$PWD" | tail -n 1 | cut -d ' ' -f 1)
cat .cvmfsexec/dist/cvmfs/*/name; echo
./.cvmfsexec/umountrepo -a || exit
mounted
""", node.file)
    expect_equal((result.status, result.stderr), (0, ""), str(result))
    expect_equal(result.stdout.splitlines(), ["3 3", node.path("dist/cvmfs"), CMS + CONFIG + OASIS,
                                              "0"])
    expect_equal(left_of(node), [])


@test
def the_factory_of_glideinwms_builds_one_bundle_after_the_other():
    node = Checkout()
    for name in bundlesite.PROGRAMS:
        shutil.copy2(harness.program(name), node.home)
    shutil.rmtree(node.path("dist"))
    result = node.script("""
[ -n "$(./cvmfsexec -v)" ] || exit 9
types=$(./makedist -m xxx 2>&1 | grep -v "not supported" | tail -n +3)
for type in $types; do
    case $type in *-$(arch)) ;; *) continue ;; esac
    os=${type%-*} arch=${type#*-}
    ./makedist -n -m "$type" none &>/dev/null || exit
    ./makedist --level=1 -o "$1/cvmfsexec-none-$os-$arch" &>/dev/null
    [ -e "$1/cvmfsexec-none-$os-$arch" ] && echo $type
    rm -rf dist
done
""", node.directory, cwd=node.home)
    types = result.stdout.split()
    expect_equal(result.status, 0, str(result))
    expect_in("rhel9-" + os.uname().machine, types)
    expect_equal(sorted(os.listdir(node.directory)),
                 sorted(["unpacked", *(f"cvmfsexec-none-{kind}" for kind in types)]))


@test
def the_osg_pilot_container_edits_probes_and_becomes_its_job():
    node = Checkout()
    result = node.script(f"""
local=$PWD/dist/etc/cvmfs/default.local
grep -Eq '^CVMFS_HTTP_PROXY=' $local || exit 9
sed -i -r -e 's#^CVMFS_HTTP_PROXY=.*#CVMFS_HTTP_PROXY="DIRECT"#' $local
echo 'CVMFS_QUOTA_LIMIT="1000"' >>$local
$PWD/cvmfsexec -N -- /bin/true || exit 8
$PWD/cvmfsexec -N -- /bin/ls -l /cvmfs/{CONFIG}/ || exit 7
exec $PWD/cvmfsexec -N {CMS} {OASIS} -- "$@"
""", "sh", "-c", 'ls /cvmfs; echo "$CVMFSEXEC_CMDFD"; cat "/cvmfs/$1/name"', "-", CMS, cwd=node.home)
    expect_equal((result.status, result.stderr), (0, ""), str(result))
    expect_in("name\n", result.stdout)
    assert result.stdout.endswith(f"{CMS}\n{CONFIG}\n{OASIS}\n\n{CMS}"), result.stdout


@test
def the_osg_pilot_container_stops_it_through_tini():
    tini = shutil.which("tini")
    if not tini:
        harness.skip("tini is not installed")
    node = Checkout()
    # tini as process 1 of a container.
    job = "trap 'echo stopping; exit 7' TERM; echo started; while :; do sleep 0.1; done"
    inner = shlex.join([tini, "--", node.path("cvmfsexec"), "-N", CMS, "--", "sh", "-c", job])
    process = harness.start(
        ["unshare", "-Urpf", "--kill-child", "--mount-proc", "sh", "-c", f"exec {inner}"],
        user=bundlesite.USER, cwd=node.directory)
    wait_for(lambda: b"started" in process.output()[0], process)
    (container,) = [int(name) for name in os.listdir("/proc") if name.isdigit()
                    and parent_of(name) == process.pid]
    os.kill(container, signal.SIGTERM)
    result = process.wait()
    expect_equal((result.status, result.stdout), (7, "started\nstopping\n"), str(result))
    expect_equal(left_of(node), [])


def parent_of(name):
    try:
        with open(f"/proc/{name}/stat", encoding="utf-8") as file:
            return int(file.read().rpartition(")")[2].split()[1])
    except OSError:
        return 0  # it has ended


def wait_for(holds, process):
    for _ in range(600):
        if holds():
            return
        time.sleep(0.05)
    raise AssertionError(f"not in time: {process.output()}")


HOSTED_CE = f"""
before=$PWD
work=$(mktemp -d "$PWD/work-XXXXXX")
trap 'cd "$before"; rm -rf "$work" || echo not removed' EXIT
cd "$work" && tar --hard-dereference -xzf "$ARCHIVE" || exit 9
place=$work/cvmfsexec
"""


def archive_of(node):
    name = os.path.join(node.directory, "archive.tar.gz")
    node.shell_command(["tar", "-czf", name, "--transform", "s,^unpacked,cvmfsexec,", "unpacked"],
                       check=True)
    return name


@test
def the_hosted_ce_tries_it_with_a_time_limit_and_runs_the_job_from_an_archive():
    node = Checkout()
    result = node.script(HOSTED_CE + f"""
timeout 45 "$place"/cvmfsexec -N -- /bin/true </dev/null || exit 8
cd "$before"
"$place"/cvmfsexec -N {CMS} {OASIS} -- "$@"
""", "sh", "-c", 'pwd; cat "/cvmfs/$1/name"; exit 3', "-", CMS, env={"ARCHIVE": archive_of(node)})
    expect_equal((result.status, result.stdout), (3, f"{node.directory}\n{CMS}"), str(result))
    expect_equal(sorted(os.listdir(node.directory)), ["archive.tar.gz", "unpacked"])


@test
def the_hosted_ce_sees_a_failed_probe_where_there_are_no_namespaces():
    node = Checkout()
    probe = shlex.join([node.path("cvmfsexec"), "-N", "--", "/bin/true"])
    result = node.shell_command(
        ["unshare", "-Ur", "sh", "-c", "echo 0 >/proc/sys/user/max_user_namespaces || exit 99; "
         f"exec setpriv --bounding-set -all timeout 45 {probe} </dev/null"])
    if result.status == 99:
        harness.skip("namespaces cannot be forbidden here")
    assert result.status not in (0, 124), str(result)
    expect_in("max_user_namespaces", result.stderr)
    assert not result.stdout, result.stdout


@test
def the_hosted_ce_mounts_on_the_host_then_and_unmounts_in_the_same_order():
    need_fusermount()
    node = Checkout()
    result = node.script(HOSTED_CE + f"""
"$place"/umountrepo -a || echo a clean tree is no error
unmount() {{ for repository in $mounted; do "$place"/umountrepo "$repository" || :; done; }}
trap 'unmount; cd "$before"; rm -rf "$work" || echo not removed' EXIT
for repository in {CONFIG} {CMS} {OASIS}; do
    "$place"/mountrepo "$repository" || exit 8
    mounted="$mounted $repository"
done
tail -n 20 "$place"/log/{CMS}.log >/dev/null || exit 7
"$place"/mountrepo nowhere.example.org && exit 6
tail -n 20 "$place"/log/nowhere.example.org.log >/dev/null 2>&1
export CVMFS_BASE="$place/dist/cvmfs"
cd "$before"
"$@"
""", "sh", "-c", 'cat "$CVMFS_BASE/$1/name"; exit 3', "-", CMS, env={"ARCHIVE": archive_of(node)})
    expect_equal((result.status, result.stdout), (3, CMS), str(result))
    expect_equal(sorted(os.listdir(node.directory)), ["archive.tar.gz", "unpacked"])
    expect_equal(left_of(node), [])


PULSAR = f"""
mkdir "$1" && cp "$FILE" "$1/cvmfsexec" || exit
"$1/cvmfsexec" -v >/dev/null || exit
trap "$1/.cvmfsexec/umountrepo -a" EXIT
"$1/.cvmfsexec/mountrepo" {CMS} || exit
"$1/.cvmfsexec/mountrepo" {OASIS} || exit
cat "$1/.cvmfsexec/dist/cvmfs/{OASIS}/name"
exit 5
"""


@test
def pulsar_copies_the_file_into_each_job_directory_and_mounts_there():
    need_fusermount()
    node = Node(site)
    jobs = [os.path.join(node.directory, f"job{number}") for number in range(3)]
    running = [harness.start(["bash", "-c", PULSAR, "script", job], user=bundlesite.USER,
                             cwd=node.directory, env={"FILE": node.file}) for job in jobs]
    for process in running:
        result = process.wait()
        expect_equal((result.status, result.stdout, result.stderr), (5, OASIS, ""), str(result))
    expect_equal(left_of(node), [])
    node.shell_command(["rm", "-r", *jobs], check=True)


@test
def pulsar_wraps_the_command_where_it_can_have_namespaces():
    node = Node(site)
    command = f'echo "a  b"; cat /cvmfs/{CMS}/name; exit 4'
    result = node.script(f'"$1" {CMS} {OASIS} -- /bin/bash -c {shlex.quote(command)}', node.file)
    expect_equal((result.status, result.stdout, result.stderr), (4, f"a  b\n{CMS}", ""))


EESSI_WRAPPER = f"""#!/bin/bash
if [ -d /cvmfs/{EESSI} ]; then
    "$@"
else
    before=$(pwd)
    place=$(mktemp -d -p "$PLACES")
    cd $place
    cp -r "$UNPACKED" cvmfsexec
    cd $before
    $place/cvmfsexec/cvmfsexec {EESSI} -- "$@"
    status=$?
    rm -rf $place
    exit $status
fi
"""


class Eessi(Checkout):
    """With the wrapper as a command in a directory of the user's PATH."""

    def __init__(self):
        super().__init__()
        self.places = os.path.join(self.directory, "places")
        os.mkdir(self.places)
        os.chown(self.places, bundlesite.USER.uid, bundlesite.USER.gid)
        self.add("cvmfsexec_eessi.sh", EESSI_WRAPPER)
        self.env = {"PLACES": self.places, "UNPACKED": self.home,
                    "PATH": f"{self.directory}/bin:{os.environ['PATH']}"}

    def add(self, name, text):
        os.makedirs(os.path.join(self.directory, "bin"), exist_ok=True)
        with open(os.path.join(self.directory, "bin", name), "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(file.name, 0o755)


@test
def eessi_feeds_a_here_document_to_the_default_shell():
    node = Eessi()
    result = node.script(f"""cvmfsexec_eessi.sh <<END
export A=1
cat /cvmfs/{EESSI}/name; echo; echo \\$A \\$0
sh -c 'exit 3' # and what reads nothing leaves the rest to the shell
exit 6
END
""", env={**node.env, "SHELL": "/bin/bash"})
    expect_equal((result.status, result.stdout), (6, f"{EESSI}\n1 /bin/bash\n"), str(result))
    expect_equal(os.listdir(node.places), [])


@test
def eessi_runs_the_daemons_of_mpi_inside_and_they_see_each_other():
    node = Eessi()
    # As mpirun does it: a daemon for each of two nodes, which talks to mpirun over a socket of the
    # host and forks the ranks; inside the wrapper finds the repository and runs what it is given.
    node.add("orted", """#!/bin/bash
export PATH=$(echo $PATH | tr ':' '\\n' | grep -v "$(dirname $0)" | tr '\\n' ':')
"$WRAPPER" python3 -c "$DAEMON" "$@"
""")
    daemon = f"""
import os, socket, sys
node, port = sys.argv[1:]
for rank in range(3):
    if os.fork() == 0:
        os.setsid()
        with socket.create_connection(("127.0.0.1", int(port))) as peer:
            peer.sendall(f"{{node}}.{{rank}} {{open('/cvmfs/{EESSI}/name').read()}}\\n".encode())
        os._exit(0)
print(sum(os.wait()[1] for _ in range(3)), flush=True)
"""
    mpirun = """
import os, socket, subprocess
server = socket.create_server(("127.0.0.1", 0))
port = str(server.getsockname()[1])
daemons = [subprocess.Popen(["orted", node, port]) for node in ("n1", "n2")]
lines = []
for _ in range(6):
    peer, _ = server.accept()
    lines.append(peer.makefile().read())
print(*sorted(lines), sep="", end="")
raise SystemExit(sum(daemon.wait() for daemon in daemons))
"""
    result = node.shell_command(
        ["python3", "-c", mpirun], env={**node.env, "DAEMON": daemon, "WRAPPER": os.path.join(
            node.directory, "bin/cvmfsexec_eessi.sh")})
    expect_equal(result.status, 0, str(result))
    expect_equal(sorted(result.stdout.splitlines()),
                 ["0"] * 2 + [f"n{n}.{rank} {EESSI}" for n in (1, 2) for rank in range(3)])
    expect_equal(left_of(node), [])


@test
def eessi_asks_for_a_login_shell():
    node = Eessi()
    result = node.script("cvmfsexec_eessi.sh /bin/bash -l", env=node.env,
                         input="shopt -q login_shell && ls /cvmfs\n")
    expect_equal((result.status, result.stdout), (0, f"{CONFIG}\n{EESSI}\n"), str(result))


@test
def the_atlas_wrapper_checks_its_repositories_and_is_told_when_to_stop():
    node = Node(site)
    wrapper = os.path.join(node.directory, "wrapper.sh")
    with open(wrapper, "w", encoding="utf-8") as file:
        file.write(f"""#!/bin/bash
for repository in {CMS} {OASIS}; do
    timeout 30 ls /cvmfs/$repository/name >/dev/null || exit 64
done
sleep 1000 &
pilot=$!
trap 'echo caught; kill -TERM $pilot; wait $pilot; echo pilot $?; exit 1' TERM
echo running
wait $pilot
""")
    process = harness.start([node.file, CMS, OASIS, "--", "bash", wrapper], user=bundlesite.USER,
                            cwd=node.directory)
    wait_for(lambda: b"running" in process.output()[0], process)
    process.signal(signal.SIGTERM)
    result = process.wait()
    expect_equal((result.status, result.stdout), (1, "running\ncaught\npilot 143\n"), str(result))
    expect_equal(left_of(node), [])


@test
def users_unmount_with_fusermount_themselves_and_remove_everything():
    need_fusermount()
    node = Node(site)
    result = node.script(f"""
"$1" -v >/dev/null
./.cvmfsexec/mountrepo {CMS} || exit
fusermount=$(command -v fusermount || command -v fusermount3)
for repository in {CONFIG} {CMS}; do
    $fusermount -u "$PWD/.cvmfsexec/dist/cvmfs/$repository" || exit
done
./.cvmfsexec/umountrepo -a
""", node.file)
    expect_equal((result.status, result.stderr), (0, ""), str(result))
    expect_equal(left_of(node), [])
    node.shell_command(["rm", "-rfd", node.home], check=True)


site = bundlesite.Site(CMS, OASIS, EESSI)
why_not = bundlesite.why_no_fusermount(site)
harness.main()
