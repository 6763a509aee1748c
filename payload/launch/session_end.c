/* --end, which only asks: what it means is for process 1. */
#include "payload/launch/session_end.h"

#include <errno.h>

#include "payload/base/scope.h"
#include "payload/launch/session_record.h"
#include "payload/launch/session_talk.h"

int session_end(const char *name, struct error *error)
{
    struct session_identity identity;
    struct session_packet packet = {.descriptor = -1};
    auto_fd int connection = session_record_visit(name, &identity, error);
    if (connection < 0)
        return connection;
    int result = session_send(connection, SESSION_ASK_END, NULL, 0, -1);
    if (result == 0)
        result = session_await(connection, &packet);
    /* One that is gone already needs not be asked. */
    if (result < 0 && result != -EPIPE && result != -ECONNRESET)
        return error_system(error, result, "ending session %s", name);
    auto_fd int gone = packet.descriptor;
    session_await_end(connection, gone);
    return session_record_outlast(name, &identity, error);
}
