"""Nodes that lack something, for tests of what is said about it.

    node = nodes.Node(tree, "mount -t tmpfs none /dev", refused=["clone:0:0x10000000=EPERM"])
    result = node.cvmfsexec("--check")

The lines of shell arrange the node, as root of a mount namespace of its own; what they mount ends
with it. Then cvmfsexec runs without their privileges: as the tree's user when the tests are run by
root, else as that user in a user namespace, in which he has the name of root and no capability but
that to have his name inside another one.
"""

import os
import shlex

import harness

REFUSING = os.path.join(os.path.dirname(os.path.abspath(__file__)), "refusing")

# /dev with only the commonest devices, to which others can be added.
BARE_DEV = """
mkdir -p "$scratch/dev"
for name in null zero full random urandom tty; do
    touch "$scratch/dev/$name" && mount --bind "/dev/$name" "$scratch/dev/$name"
done
mount --rbind "$scratch/dev" /dev
"""

NO_FUSERMOUNT = """
for file in /usr/bin/fusermount /usr/bin/fusermount3 /bin/fusermount /bin/fusermount3; do
    if [ -e "$file" ]; then mount --bind /dev/null "$(readlink -f "$file")"; fi
done
"""

# As in most containers: where something is hidden in /proc, no new one can be mounted.
MASKED_PROC = "mount -t tmpfs none /proc/sys/net\n"


def setting(name, value):
    """Lines after which a setting below /proc/sys/kernel has this value, also where this kernel does
    not have it."""
    return f"mount -t tmpfs none /proc/sys/kernel && echo {value} >/proc/sys/kernel/{name}\n"


class Node:
    def __init__(self, tree, arrange="", refused=(), enter="", user_namespace=False):
        """refused: rules of tests/e2e/refusing. enter: shell words in front of the command.
        user_namespace: also when root runs the tests."""
        self.tree = tree
        self.as_root = harness.ME.uid == 0 and not user_namespace
        self.user = harness.ROOT if self.as_root else tree.user
        self.scratch = harness.temporary_directory(self.user, prefix="node-")
        self.arrange = f"set -e; cd /; scratch={shlex.quote(self.scratch)}\n" \
                       f"mount -t tmpfs none \"$scratch\"\n{arrange}\n"
        self.enter = enter
        self.refused = list(refused)

    def _without_privileges(self):
        if self.as_root:
            ids = self.tree.user
            return ["setpriv", f"--reuid={ids.uid}", f"--regid={ids.gid}", "--clear-groups"]
        # The kernel lets no root without it map himself (5.12, user_namespaces(7)).
        return ["setpriv", "--bounding-set=-all,+setfcap", "--inh-caps=-all"]

    def run(self, *command, **options):
        """Runs a command on the node."""
        words = [*self._without_privileges(), *command]
        if self.refused:
            words = [REFUSING, *self.refused, "--", *words]
        around = ["unshare", "--mount"] if self.as_root else ["unshare", "-Ur", "--mount"]
        script = f"{self.arrange}exec {self.enter} {shlex.join(words)}\n"
        return harness.run([*around, "/bin/sh", "-c", script], user=self.user, cwd="/", **options)

    def cvmfsexec(self, *arguments, **options):
        return self.run(*self.tree.command(*arguments), **options)
