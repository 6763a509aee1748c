"""Other hosts than this one: a root directory made to order, in namespaces of its own.

    host = hostroot.Host("mkdir cvmfs; ln -s nowhere link", read_only=True)
    result = host.run(tree.command("a.example.org", "--", "ls", "/cvmfs"), tree.user)

It has the directories of this host's, and what the script makes in it, which runs there as the root
user of a user namespace, or as the real one (privileged=True)."""

import os

import harness

# $1: where the root directory is put together; $2: what is to be in it; $3: options of the mount.
_ENTER = """
set -e
mount -t tmpfs -o mode=755 host "$1"
cd "$1"
for name in $(ls -A /); do
    if [ "$name" = cvmfs ]; then continue
    elif [ -L "/$name" ]; then cp -P "/$name" "$name"
    elif [ -d "/$name" ]; then mkdir "$name"; mount --rbind "/$name" "$name"
    fi
done
eval "$2"
mkdir .old
PATH="$PATH:/usr/sbin:/sbin" pivot_root . .old
cd /
umount -l .old "$1"
rmdir .old
[ -z "$3" ] || mount -o "remount,bind,$3" /
shift 3
cd "$1"
shift
exec "$@"
"""


class Host:
    """privileged: without a user namespace of its own; needs root. cwd: where commands begin."""

    def __init__(self, script="true", read_only=False, privileged=False, cwd="/"):
        if privileged and harness.ME.uid != 0:
            harness.skip("the tests do not run as root")
        self.script = script
        self.options = "ro" if read_only else ""
        self.privileged = privileged
        self.cwd = cwd

    def command(self, command, user):
        """What to start, as root if privileged or else as the user, for the command of that user
        on that host."""
        place = harness.temporary_directory(None if self.privileged else user)
        if self.privileged:
            become = ["setpriv", f"--reuid={user.uid}", f"--regid={user.gid}", "--clear-groups"]
            enter = ["unshare", "--mount"]
        else:
            become = ["unshare", "-U", f"--map-user={user.uid}", f"--map-group={user.gid}"]
            enter = ["unshare", "-Urm"]
        return [*enter, "/bin/sh", "-c", _ENTER, "sh", place, self.script, self.options, self.cwd,
                *become, *command]

    def run(self, command, user, **options):
        """Runs it to its end."""
        return harness.run(self.command(command, user), cwd="/",
                           user=harness.ROOT if self.privileged else user, **options)


def entries_of_root():
    """What the script finds in the new root directory."""
    return {name for name in os.listdir("/") if name != "cvmfs"
            and (os.path.islink("/" + name) or os.path.isdir("/" + name))}
