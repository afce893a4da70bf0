/* libpurple's timers and descriptors on the GLib main loop. */
#ifndef PARLANCE_DRIVER_LOOP_H
#define PARLANCE_DRIVER_LOOP_H

#include <purple.h>

extern PurpleEventLoopUiOps driver_loop_ops;

#endif
