/*
 * A client without a screen around the real SIPE plugin: libpurple 2 with one account, commands as lines on standard input,
 * events as lines of JSON on standard output. The settings come from the environment, so that no password is on a command line:
 *   SIPE_ACCOUNT user@domain[,login]   SIPE_PASSWORD   SIPE_SERVER host:port   SIPE_TRANSPORT tcp|tls
 *   SIPE_PURPLE_DIR private settings folder            SIPE_LOG debug log file
 * Commands: signin | list | join URI | say ROOM BASE64 | leave ROOM | signoff | quit      (ROOM: ma-chan URI or name)
 */
#include "driver-dialogs.h"
#include "driver-loop.h"
#include "driver-ui.h"
#include "json-line.h"

#include <glib-unix.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define UI_ID "parlance-sipe-driver"
#define MAX_COMMAND_BYTES (1024 * 1024)

static GMainLoop *loop;
static PurpleAccount *account;

static PurpleCoreUiOps core_ops = {.ui_init = driver_ui_install};

/* ---- settings ---- */

static const char *setting(const char *name) {
  const char *value = g_getenv(name);

  if (!value || !*value) {
    fprintf(stderr, "%s is not set\n", name);
    exit(2);
  }
  return value;
}

/* ---- commands ---- */

static void refuse(const char *command, const char *why) {
  GString *line = json_line_begin("command-error");

  json_line_text(line, "command", command);
  json_line_text(line, "text", why);
  json_line_end(line);
}

static PurpleConnection *connected(const char *command) {
  PurpleConnection *gc = purple_account_get_connection(account);

  if (gc && purple_connection_get_state(gc) == PURPLE_CONNECTED)
    return gc;
  refuse(command, "not connected");
  return NULL;
}

static void sign_in(void) {
  purple_account_set_password(account, setting("SIPE_PASSWORD")); /* libpurple forgets it with each connection */
  purple_account_set_status(account, "available", TRUE, NULL); /* connects when it was "offline" before */
  if (purple_account_is_disconnected(account))
    purple_account_connect(account);
}

static void sign_off(void) {
  purple_account_set_status(account, "offline", TRUE, NULL);
  if (!purple_account_is_disconnected(account))
    purple_account_disconnect(account);
}

static void join_room(PurpleConnection *gc, const char *uri) {
  GHashTable *components = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, g_free);

  g_hash_table_insert(components, "uri", g_strdup(uri));
  serv_join_chat(gc, components);
  g_hash_table_destroy(components);
}

/* As Pidgin's input line does: markup characters become entities, line ends <br>. */
static char *typed_as_html(const char *text) {
  char *escaped = g_markup_escape_text(text, -1);
  char **lines = g_strsplit(escaped, "\n", 0);
  char *html = g_strjoinv("<br>", lines);

  g_strfreev(lines);
  g_free(escaped);
  return html;
}

static void say(PurpleConversation *room, const char *base64) {
  gsize size = 0;
  guchar *bytes = g_base64_decode(base64, &size);
  char *text = g_strndup((const char *)bytes, size);
  char *html = typed_as_html(text);

  if (g_utf8_validate(text, -1, NULL))
    purple_conv_chat_send(PURPLE_CONV_CHAT(room), html);
  else
    refuse("say", "not UTF-8");
  g_free(html);
  g_free(text);
  g_free(bytes);
}

static void run(const char *command, const char *first, const char *second) {
  PurpleConnection *gc;
  PurpleConversation *room;

  if (strcmp(command, "signin") == 0) {
    sign_in();
  } else if (strcmp(command, "signoff") == 0) {
    sign_off();
  } else if (strcmp(command, "quit") == 0) {
    g_main_loop_quit(loop);
  } else if (strcmp(command, "list") == 0) {
    if ((gc = connected(command)))
      driver_dialogs_list_rooms(gc);
  } else if (strcmp(command, "join") == 0 && first) {
    if ((gc = connected(command)))
      join_room(gc, first);
  } else if ((strcmp(command, "say") == 0 && second) || (strcmp(command, "leave") == 0 && first)) {
    room = driver_ui_find_room(account, first);
    if (!room)
      refuse(command, "no such room joined");
    else if (second)
      say(room, second);
    else
      purple_conversation_destroy(room); /* what closing the window does */
  } else {
    refuse(command, "unknown command");
  }
}

static void run_line(char *line) {
  char *first = strchr(line, ' ');
  char *second = NULL;

  if (first) {
    *first++ = '\0';
    if (strcmp(line, "say") == 0 && (second = strrchr(first, ' '))) /* a room's name may hold blanks */
      *second++ = '\0';
  }
  run(line, first, second);
}

static gboolean commands_readable(gint fd, GIOCondition condition, gpointer data) {
  static GString *buffer;
  char chunk[16384];
  ssize_t size = read(fd, chunk, sizeof chunk);
  char *end;

  (void)condition, (void)data;
  if (!buffer)
    buffer = g_string_new(NULL);
  if (size <= 0 || buffer->len + (gsize)size > MAX_COMMAND_BYTES) {
    g_main_loop_quit(loop); /* whoever started us is gone */
    return G_SOURCE_REMOVE;
  }
  g_string_append_len(buffer, chunk, size);
  while ((end = memchr(buffer->str, '\n', buffer->len))) {
    gsize length = (gsize)(end - buffer->str);
    char *line = g_strndup(buffer->str, length);
    g_string_erase(buffer, 0, (gssize)length + 1);
    run_line(line);
    g_free(line);
  }
  return G_SOURCE_CONTINUE;
}

/* ---- start ---- */

static void create_account(void) {
  account = purple_account_new(setting("SIPE_ACCOUNT"), "prpl-sipe");
  purple_account_set_string(account, "server", setting("SIPE_SERVER"));
  purple_account_set_string(account, "transport", setting("SIPE_TRANSPORT"));
  purple_account_set_bool(account, "dont-publish", TRUE); /* no search for an Exchange server */
  purple_accounts_add(account);
  purple_account_set_status(account, "offline", TRUE, NULL);
  purple_account_set_enabled(account, UI_ID, TRUE);
}

int main(void) {
  FILE *log = fopen(setting("SIPE_LOG"), "a");
  PurplePlugin *plugin;
  GString *line;

  if (!log) {
    perror("SIPE_LOG");
    return 2;
  }
  /* Events keep the original standard output; what libpurple prints there goes into the log. */
  json_line_open(dup(STDOUT_FILENO));
  dup2(fileno(log), STDOUT_FILENO);
  dup2(fileno(log), STDERR_FILENO);
  signal(SIGPIPE, SIG_IGN);

  purple_util_set_user_dir(setting("SIPE_PURPLE_DIR"));
  driver_ui_open_log(log);
  purple_debug_set_verbose(TRUE);
  purple_debug_set_unsafe(TRUE); /* whole SIP messages */
  purple_core_set_ui_ops(&core_ops);
  purple_eventloop_set_ui_ops(&driver_loop_ops);
  loop = g_main_loop_new(NULL, FALSE);
  if (!purple_core_init(UI_ID))
    return 2;
  purple_set_blist(purple_blist_new());

  plugin = purple_plugins_find_with_id("prpl-sipe");
  if (!plugin) {
    refuse("start", "libpurple does not find the plugin prpl-sipe");
    return 2;
  }
  driver_ui_connect_signals();
  create_account();
  line = json_line_begin("ready");
  json_line_text(line, "libpurple", purple_core_get_version());
  json_line_text(line, "plugin", purple_plugin_get_version(plugin));
  json_line_end(line);

  g_unix_fd_add(STDIN_FILENO, G_IO_IN | G_IO_HUP, commands_readable, NULL);
  g_main_loop_run(loop);

  sign_off();
  purple_core_quit();
  json_line_end(json_line_begin("bye"));
  return 0;
}
