/* --end, which only asks: what it means is for process 1. */
#include "payload/launch/session_end.h"

#include <errno.h>
#include <stdbool.h>

#include "payload/base/scope.h"
#include "payload/launch/session_record.h"
#include "payload/launch/session_talk.h"

int session_end(const char *name, struct error *error)
{
    for (bool asked = false;; asked = true) {
        auto_fd int connection = session_record_visit(name, error);
        if (asked && connection == -ENOENT)
            return 0; /* it went before it answered */
        if (connection < 0)
            return connection;
        struct session_packet packet;
        int result = session_send(connection, SESSION_ASK_END, NULL, 0, -1);
        if (result == 0)
            result = session_await(connection, &packet);
        if (result == -EPIPE || result == -ECONNRESET)
            continue;
        if (result < 0)
            return error_system(error, result, "ending session %s", name);
        auto_fd int gone = packet.descriptor;
        if (packet.letter == SESSION_ENDING && gone >= 0) {
            session_await_close(gone);
            return 0;
        }
    }
}
