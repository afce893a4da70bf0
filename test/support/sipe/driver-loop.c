#include "driver-loop.h"

#include <glib-unix.h>

struct watch {
  PurpleInputFunction call;
  gpointer data;
};

static gboolean watch_ready(gint fd, GIOCondition ready, gpointer data) {
  struct watch *watch = data;
  PurpleInputCondition condition = 0;

  if (ready & (G_IO_IN | G_IO_HUP | G_IO_ERR))
    condition |= PURPLE_INPUT_READ;
  if (ready & (G_IO_OUT | G_IO_HUP | G_IO_ERR | G_IO_NVAL))
    condition |= PURPLE_INPUT_WRITE;
  watch->call(watch->data, fd, condition);
  return G_SOURCE_CONTINUE;
}

static guint watch_fd(gint fd, PurpleInputCondition condition, PurpleInputFunction call, gpointer data) {
  struct watch *watch = g_new0(struct watch, 1);
  GIOCondition wanted = 0;

  watch->call = call;
  watch->data = data;
  if (condition & PURPLE_INPUT_READ)
    wanted |= G_IO_IN | G_IO_HUP | G_IO_ERR;
  if (condition & PURPLE_INPUT_WRITE)
    wanted |= G_IO_OUT | G_IO_HUP | G_IO_ERR | G_IO_NVAL;
  return g_unix_fd_add_full(G_PRIORITY_DEFAULT, fd, wanted, watch_ready, watch, g_free);
}

PurpleEventLoopUiOps driver_loop_ops = {
    .timeout_add = g_timeout_add,
    .timeout_remove = g_source_remove,
    .timeout_add_seconds = g_timeout_add_seconds,
    .input_add = watch_fd,
    .input_remove = g_source_remove,
};
