/* An epoll(7) instance stands for all descriptors of a session, so that process 1 watches but one
 * more. Each guest has a connection, for as long as processes of his are inside, and a pair of
 * sockets for requests of his own, so that none can spoil another's; that lasts as long as anybody
 * inherits it. */
#include "payload/launch/session_keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "payload/base/scope.h"
#include "payload/launch/request.h"
#include "payload/launch/session_record.h"
#include "payload/launch/session_talk.h"

struct session_guest {
    int connection;            /* or -1 */
    int requests;              /* our end of the pair, or -1 */
    enum session_letter asked; /* and not answered yet; 0 for nothing */
    bool joined;
    struct session_guest *next;
};

static int watch(struct session_keeper *keeper, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    return epoll_ctl(keeper->events, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

static void unwatch(struct session_keeper *keeper, int fd)
{
    (void)epoll_ctl(keeper->events, EPOLL_CTL_DEL, fd, NULL); /* it is there */
}

/* A closed descriptor of which duplicates live in other processes would go on being watched. */
static void unwatch_and_close(struct session_keeper *keeper, int *fd)
{
    if (*fd < 0)
        return;
    unwatch(keeper, *fd);
    (void)close(steal_fd(fd));
}

/* The clock runs while nobody is there. */
static void set_clock(struct session_keeper *keeper)
{
    const bool runs = keeper->ready && keeper->connected == 0;
    const struct itimerspec idle = {.it_value.tv_sec = runs ? keeper->plan->idle_seconds : 0};
    (void)timerfd_settime(keeper->clock, 0, &idle, NULL); /* a valid time; 0 stops it */
}

static void drop_guest(struct session_keeper *keeper, struct session_guest *guest)
{
    struct session_guest **link = &keeper->guests;
    while (*link != guest)
        link = &(*link)->next;
    *link = guest->next;
    free(guest);
}

static void leave(struct session_keeper *keeper, struct session_guest *guest)
{
    unwatch_and_close(keeper, &guest->connection);
    if (guest->requests < 0)
        drop_guest(keeper, guest);
    keeper->connected--;
    if (keeper->is_full)
        keeper->is_full = watch(keeper, keeper->plan->listener) < 0;
    if (!keeper->ready && keeper->connected == 0)
        keeper->over = true;
    set_clock(keeper);
}

static int send_namespace(int connection, enum session_letter letter, const char *path)
{
    auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
    return fd < 0 ? -errno : session_send(connection, letter, NULL, 0, fd);
}

static int send_namespaces(int connection)
{
    int result = send_namespace(connection, SESSION_USER, "/proc/self/ns/user");
    if (result == 0)
        result = send_namespace(connection, SESSION_MOUNT, "/proc/self/ns/mnt");
    if (result == 0)
        result = send_namespace(connection, SESSION_PID, "/proc/self/ns/pid");
    return result;
}

static int send_ready(struct session_keeper *keeper, struct session_guest *guest, bool requests)
{
    if (!requests)
        return session_send(guest->connection, SESSION_READY, NULL, 0, -1);
    int ends[2];
    int result = request_pair(ends);
    if (result < 0)
        return result;
    auto_fd int ours = ends[0];
    auto_fd int theirs = ends[1];
    result = watch(keeper, ours);
    if (result < 0)
        return result;
    result = session_send(guest->connection, SESSION_READY, NULL, 0, theirs);
    guest->requests = steal_fd(&ours);
    if (result < 0)
        unwatch_and_close(keeper, &guest->requests);
    return result;
}

/* Answers what was asked, as soon as there is an answer. */
static int answer(struct session_keeper *keeper, struct session_guest *guest)
{
    const enum session_letter asked = guest->asked;
    if (!asked || (!keeper->ready && !keeper->over))
        return 0;
    guest->asked = 0;
    if (keeper->over)
        return session_send(guest->connection, SESSION_ENDING, NULL, 0, keeper->plan->gone);
    if (asked == SESSION_ASK_MOUNTS)
        return send_ready(keeper, guest, true);
    guest->joined = true;
    int result = send_namespaces(guest->connection);
    return result < 0 ? result : send_ready(keeper, guest, keeper->plan->offer_requests);
}

static void answer_all(struct session_keeper *keeper)
{
    struct session_guest *next;
    for (struct session_guest *guest = keeper->guests; guest; guest = next) {
        next = guest->next;
        if (guest->connection >= 0 && answer(keeper, guest) < 0)
            leave(keeper, guest);
    }
}

static void end(struct session_keeper *keeper)
{
    keeper->over = true;
    answer_all(keeper);
}

static void listen_to(struct session_keeper *keeper, struct session_guest *guest)
{
    struct session_packet packet;
    int result = session_receive(guest->connection, &packet);
    if (result == -EAGAIN)
        return;
    if (result < 0) {
        leave(keeper, guest);
        return;
    }
    if (packet.descriptor >= 0)
        (void)close(packet.descriptor); /* nothing that can be asked brings one */
    const bool may_ask = !guest->asked && !guest->joined && guest->requests < 0;
    if (!may_ask || (packet.letter != SESSION_ASK_MOUNTS && packet.letter != SESSION_ASK_JOIN &&
                     packet.letter != SESSION_ASK_END)) {
        leave(keeper, guest);
        return;
    }
    guest->asked = packet.letter;
    if (packet.letter == SESSION_ASK_END)
        end(keeper);
    else if (answer(keeper, guest) < 0)
        leave(keeper, guest);
}

static void take_guest(struct session_keeper *keeper)
{
    auto_fd int connection =
        accept4(keeper->plan->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (connection < 0 && (errno == EMFILE || errno == ENFILE)) {
        keeper->is_full = true;
        unwatch(keeper, keeper->plan->listener);
    }
    if (connection < 0 || !session_record_is_own_peer(connection))
        return;
    struct session_guest *guest = malloc(sizeof *guest);
    if (!guest || watch(keeper, connection) < 0) {
        free(guest); /* the guest sees his connection closed */
        return;
    }
    *guest = (struct session_guest){
        .connection = steal_fd(&connection), .requests = -1, .next = keeper->guests};
    keeper->guests = guest;
    keeper->connected++;
    set_clock(keeper);
}

static void take_event(struct session_keeper *keeper, int fd, session_request *request,
                       void *context)
{
    for (struct session_guest *guest = keeper->guests; guest; guest = guest->next) {
        if (fd == guest->connection) {
            listen_to(keeper, guest);
            return;
        }
        if (fd == guest->requests) {
            if (request(context, fd) != -EPIPE)
                return;
            unwatch_and_close(keeper, &guest->requests);
            if (guest->connection < 0)
                drop_guest(keeper, guest);
            return;
        }
    }
}

int session_keeper_open(struct session_keeper *keeper, const struct session_plan *plan,
                        struct error *error)
{
    *keeper = (struct session_keeper){.plan = plan, .events = -1, .clock = -1};
    (void)close(plan->gone_outside); /* a copy, made by fork(2) */
    keeper->events = epoll_create1(EPOLL_CLOEXEC);
    keeper->clock = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    int result = keeper->events < 0 || keeper->clock < 0 ? -errno : 0;
    if (result == 0)
        result = watch(keeper, keeper->clock);
    if (result == 0)
        result = watch(keeper, plan->listener);
    if (result == 0 && plan->watched >= 0)
        result = watch(keeper, plan->watched);
    if (result == 0)
        return 0;
    session_keeper_close(keeper);
    return error_system(error, result, "preparing the session");
}

int session_keeper_descriptor(const struct session_keeper *keeper)
{
    return keeper->events;
}

int session_keeper_step(struct session_keeper *keeper, session_request *request, void *context,
                        struct error *error)
{
    struct epoll_event event;
    int count = epoll_wait(keeper->events, &event, 1, 0);
    if (count < 0 && errno != EINTR)
        return error_system(error, -errno, "waiting for events of the session");
    if (count <= 0)
        return 0;
    if (event.data.fd == keeper->plan->listener) {
        take_guest(keeper);
    } else if (event.data.fd == keeper->clock || event.data.fd == keeper->plan->watched) {
        unwatch(keeper, event.data.fd);
        end(keeper);
    } else {
        take_event(keeper, event.data.fd, request, context);
    }
    return 0;
}

void session_keeper_ready(struct session_keeper *keeper)
{
    keeper->ready = true;
    answer_all(keeper);
    set_clock(keeper);
}

void session_keeper_fail(struct session_keeper *keeper, int code, const char *words)
{
    char bytes[SESSION_WORDS_LIMIT];
    size_t length = strlen(words);
    if (length > sizeof bytes - 1)
        length = sizeof bytes - 1;
    bytes[0] = (char)code;
    memcpy(bytes + 1, words, length);
    for (struct session_guest *guest = keeper->guests; guest; guest = guest->next) {
        if (guest->connection >= 0 && guest->asked) /* one that is gone is no failure */
            (void)session_send(guest->connection, SESSION_FAILED, bytes, 1 + length,
                               keeper->plan->gone);
        guest->asked = 0;
    }
}

bool session_keeper_is_over(const struct session_keeper *keeper)
{
    return keeper->over;
}

void session_keeper_end_guests(struct session_keeper *keeper, bool at_once)
{
    end(keeper);
    for (const struct session_guest *guest = keeper->guests; guest; guest = guest->next) {
        if (guest->connection >= 0 && guest->joined) /* one that is gone is no failure */
            (void)session_send(guest->connection, at_once ? SESSION_KILL : SESSION_TERMINATE, NULL,
                               0, -1);
    }
}

bool session_keeper_has_guests(const struct session_keeper *keeper)
{
    for (const struct session_guest *guest = keeper->guests; guest; guest = guest->next) {
        if (guest->connection >= 0 && guest->joined)
            return true;
    }
    return false;
}

void session_keeper_close(struct session_keeper *keeper)
{
    while (keeper->guests) {
        struct session_guest *guest = keeper->guests;
        keeper->guests = guest->next;
        if (guest->connection >= 0)
            (void)close(guest->connection);
        if (guest->requests >= 0)
            (void)close(guest->requests);
        free(guest);
    }
    if (keeper->clock >= 0)
        (void)close(keeper->clock);
    if (keeper->events >= 0)
        (void)close(keeper->events);
}
