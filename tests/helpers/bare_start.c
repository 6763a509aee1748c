/* bare_start [-f CLIENT CONFIGURATION] COMMAND...: what a start cannot do without, and nothing
 * else. Namespaces for a user who stays who he is; a /proc and a /cvmfs in them; with -f one FUSE
 * file system there and a program that would serve it, with a file made from those of its
 * configuration; the command, and its end. It is what launcher_cost.t compares with: it checks only
 * whether a step worked, explains nothing, passes nothing on and tidies nothing up. */
#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void expect(int holds, const char *step)
{
    if (!holds) {
        perror(step);
        _exit(1);
    }
}

static void write_file(const char *path, const char *words)
{
    int fd = open(path, O_WRONLY);
    expect(fd >= 0 && write(fd, words, strlen(words)) > 0, path);
    close(fd);
}

static void map_ids(unsigned uid, unsigned gid)
{
    char line[64];
    write_file("/proc/self/setgroups", "deny");
    snprintf(line, sizeof line, "%u %u 1", gid, gid);
    write_file("/proc/self/gid_map", line);
    snprintf(line, sizeof line, "%u %u 1", uid, uid);
    write_file("/proc/self/uid_map", line);
}

static void take_over(const char *name, unsigned char type)
{
    char old[300];
    char new[300];
    char target[4096] = "";
    snprintf(old, sizeof old, "/%s", name);
    snprintf(new, sizeof new, "/../%s", name);
    if (type == DT_LNK) {
        expect(readlink(old, target, sizeof target - 1) > 0, old);
        expect(symlink(target, new) == 0, new);
    } else if (type == DT_DIR) {
        expect(mkdir(new, 0755) == 0, new);
        expect(mount(old, new, NULL, MS_BIND | MS_REC, NULL) == 0, old);
    } else {
        expect(mknod(new, S_IFREG | 0644, 0) == 0, new);
        expect(mount(old, new, NULL, MS_BIND, NULL) == 0, old);
    }
}

/* Where the host has no /cvmfs, every entry of its root directory has to be bound into a new one,
 * and the working directory to be found again. */
static void replace_root(void)
{
    char place[4096];
    expect(getcwd(place, sizeof place) != NULL, "getcwd");
    expect(mount("bare", "/", "tmpfs", 0, NULL) == 0, "tmpfs");
    DIR *directory = opendir("/");
    expect(directory != NULL, "/");
    for (struct dirent *entry = readdir(directory); entry; entry = readdir(directory)) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            take_over(entry->d_name, entry->d_type);
    }
    closedir(directory);
    expect(mkdir("/../cvmfs", 0755) == 0, "/cvmfs");
    expect(chdir("/..") == 0 && syscall(SYS_pivot_root, ".", ".") == 0, "pivot_root");
    expect(umount2(".", MNT_DETACH) == 0, "umount");
    expect(chdir(place) == 0, place);
}

static void make_cvmfs(void)
{
    struct stat status;
    if (stat("/cvmfs", &status) == 0)
        expect(mount("bare", "/cvmfs", "tmpfs", 0, NULL) == 0, "/cvmfs");
    else
        replace_root();
}

static void wait_for(pid_t child, int wanted)
{
    int status;
    expect(waitpid(child, &status, 0) == child && status == wanted, "waitpid");
}

static void read_file(const char *directory, const char *name)
{
    char path[4096];
    char bytes[16384];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    int fd = open(path, O_RDONLY);
    expect(fd >= 0, path);
    while (read(fd, bytes, sizeof bytes) > 0)
        continue;
    close(fd);
}

static void configure(const char *directory)
{
    char path[4096];
    read_file(directory, "default.conf");
    snprintf(path, sizeof path, "%s/default.d", directory);
    DIR *further = opendir(path);
    expect(further != NULL, path);
    for (struct dirent *entry = readdir(further); entry; entry = readdir(further)) {
        if (entry->d_name[0] != '.')
            read_file(path, entry->d_name);
    }
    closedir(further);
    read_file(directory, "default.local");
    int fd = open("/cvmfs/.bare.conf", O_WRONLY | O_CREAT | O_EXCL, 0600);
    expect(fd >= 0 && write(fd, "VALUE=1\n", 8) == 8, "/cvmfs/.bare.conf");
    close(fd);
}

static void mount_one(char *client, const char *configuration, unsigned uid, unsigned gid)
{
    char options[100];
    expect(mkdir("/cvmfs/bare", 0755) == 0, "/cvmfs/bare");
    pid_t child = fork();
    if (child == 0) {
        configure(configuration);
        int device = open("/dev/fuse", O_RDWR);
        snprintf(options, sizeof options, "fd=%d,rootmode=40000,user_id=%u,group_id=%u", device,
                 uid, gid);
        expect(mount("bare", "/cvmfs/bare", "fuse", MS_RDONLY, options) == 0, "fuse");
        execl(client, client, (char *)NULL);
        _exit(127);
    }
    wait_for(child, 0);
    expect(unlink("/cvmfs/.bare.conf") == 0, "/cvmfs/.bare.conf");
}

static int inside(char *client, const char *configuration, char **command, unsigned uid,
                  unsigned gid)
{
    map_ids(uid, gid);
    expect(mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) == 0, "propagation");
    expect(mount("proc", "/proc", "proc", 0, NULL) == 0, "/proc");
    make_cvmfs();
    if (client)
        mount_one(client, configuration, uid, gid);
    pid_t child = fork();
    if (child == 0) {
        execvp(command[0], command);
        _exit(127);
    }
    wait_for(child, 0);
    if (client)
        expect(umount2("/cvmfs/bare", MNT_DETACH) == 0, "umount");
    return 0;
}

int main(int count, char **arguments)
{
    char *client = count > 4 && strcmp(arguments[1], "-f") == 0 ? arguments[2] : NULL;
    unsigned uid = getuid();
    unsigned gid = getgid();
    long child = syscall(SYS_clone, SIGCHLD | CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID, NULL,
                         NULL, NULL, NULL);
    expect(child >= 0, "clone");
    if (child == 0)
        _exit(inside(client, client ? arguments[3] : NULL, arguments + (client ? 4 : 1), uid, gid));
    wait_for((pid_t)child, 0);
    return 0;
}
