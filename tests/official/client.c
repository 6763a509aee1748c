/* The module: reads its configuration through a shell, shares a cache manager, reports by the end
 * of its first process, and stays as a daemon with a watchdog; with -f as what was started.
 * "running.FQRN" tells the next one that this one did not end in order. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/official/standin.h"

struct configuration {
    char cache[4096];
    char sockets[4096];
};

void note(const char *file, const char *line)
{
    FILE *out = fopen(file, "ae");
    if (out) {
        (void)fprintf(out, "%s\n", line);
        (void)fclose(out);
    }
}

static int read_line(FILE *file, char *line, size_t room)
{
    if (!fgets(line, (int)room, file))
        return -1;
    line[strcspn(line, "\n")] = '\0';
    return 0;
}

static int read_configuration(char *options, struct configuration *configuration)
{
    char *file = strncmp(options, "config=", 7) == 0 ? strtok(options + 7, ",:") : NULL;
    if (!file || setenv("STANDIN_CONFIGURATION", file, 1) < 0)
        return -1;
    FILE *shell = popen(". \"$STANDIN_CONFIGURATION\" && "
                        "printf '%s\\n' \"$CVMFS_CACHE_BASE\" \"$CVMFS_RELOAD_SOCKETS\"",
                        "re");
    if (!shell)
        return -1;
    int result = read_line(shell, configuration->cache, sizeof configuration->cache);
    result |= read_line(shell, configuration->sockets, sizeof configuration->sockets);
    result |= pclose(shell);
    (void)unsetenv("STANDIN_CONFIGURATION");
    return result == 0 && configuration->cache[0] ? 0 : -1;
}

static int listen_at(const char *directory, const char *fqrn)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int place = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
    int end = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (place < 0 || end < 0)
        return -1;
    /* Longer paths than a socket's address has room for. */
    (void)snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/cvmfs.%.60s", place,
                   fqrn);
    (void)unlink(address.sun_path);
    int result = bind(end, (struct sockaddr *)&address, sizeof address);
    (void)close(place);
    return result;
}

static int enter_workspace(char *path)
{
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        (void)mkdir(path, 0770);
        *slash = '/';
    }
    if ((mkdir(path, 0770) < 0 && errno != EEXIST) || chdir(path) < 0)
        return -1;
    (void)mkdir("shared", 0770);
    return chdir("shared");
}

static void go_to_background(void)
{
    pid_t pid = fork();
    if (pid != 0) {
        (void)waitpid(pid, NULL, 0);
        _exit(0);
    }
    (void)setsid();
    if (fork() != 0)
        _exit(0);
    int null = open("/dev/null", O_RDWR);
    for (int stream = 0; stream <= 2; stream++)
        (void)dup2(null, stream);
    (void)close(null);
}

static int fail(const char *words, int code)
{
    (void)fprintf(stderr, "%s (%d)\n", words, code);
    return code;
}

static int serve(const char *fqrn, bool foreground)
{
    char guard[256];
    (void)snprintf(guard, sizeof guard, "running.%s", fqrn);
    if (access(guard, F_OK) == 0)
        note("rebuilds", fqrn);
    (void)close(open(guard, O_WRONLY | O_CREAT, 0600));
    if (!foreground)
        go_to_background();
    watchdog_start();
    int result = file_system_serve();
    watchdog_stop();
    (void)unlink(guard);
    return result == 0 ? 0 : 6;
}

__attribute__((visibility("default"))) int standin_main(int count, char **arguments)
{
    (void)umask(007);
    if (count > 1 && strncmp(arguments[1], "__", 2) == 0)
        return strcmp(arguments[1], "__cachemgr__") == 0 ? cache_manager_main(count, arguments) : 1;
    const bool foreground = count == 6 && strcmp(arguments[5], "-f") == 0;
    if ((count != 5 && !foreground) || strcmp(arguments[1], "-o") != 0)
        return 2;
    struct configuration configuration;
    const char *fqrn = arguments[3];
    if (read_configuration(arguments[2], &configuration) < 0)
        return fail("no configuration", 2);
    if (listen_at(configuration.sockets, fqrn) < 0)
        return fail("Failed to initialize loader socket", 5);
    (void)printf("CernVM-FS: pre-mounted on file descriptor\nCernVM-FS: loading Fuse module... ");
    (void)fflush(stdout);
    if (enter_workspace(configuration.cache) < 0)
        return fail("cannot create workspace directory", 9);
    if (cache_manager_connect(arguments[0]) < 0)
        return fail("failed to create the shared cache manager", 12);
    if (file_system_attach(arguments[4], fqrn, arguments[0]) != 0)
        return fail("failed to mount file system", 4);
    (void)printf("done\n");
    (void)fflush(stdout);
    return serve(fqrn, foreground);
}
