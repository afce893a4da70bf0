#include "driver-ui.h"

#include "driver-dialogs.h"
#include "json-line.h"

#include <string.h>
#include <time.h>

#define ROOM_URI "parlance-uri"
#define JOIN_PENDING "parlance-join-pending"

static FILE *debug_log;

/* URI of the room whose conversation the plugin is about to create. */
static char *announced_uri;

/* ---- conversations ---- */

static const char *room_uri(PurpleConversation *conv) { return purple_conversation_get_data(conv, ROOM_URI); }

static GString *begin_for_room(const char *event, PurpleConversation *conv) {
  GString *line = json_line_begin(event);

  json_line_text(line, "room", purple_conversation_get_name(conv));
  json_line_text(line, "uri", room_uri(conv));
  return line;
}

/* The plugin creates the conversation first and adds the users afterwards: "joined" waits until the answer has been read. */
static void report_join(PurpleConversation *conv) {
  guint pending = GPOINTER_TO_UINT(purple_conversation_get_data(conv, JOIN_PENDING));
  PurpleConvChat *chat = purple_conversation_get_chat_data(conv);
  GString *line;

  if (!pending)
    return;
  g_source_remove(pending);
  purple_conversation_set_data(conv, JOIN_PENDING, NULL);

  line = begin_for_room("joined", conv);
  json_line_text(line, "topic", purple_conv_chat_get_topic(chat));
  g_string_append(line, ",\"users\":[");
  for (GList *user = purple_conv_chat_get_users(chat); user; user = user->next) {
    PurpleConvChatBuddy *who = user->data;
    if (line->str[line->len - 1] != '[')
      g_string_append_c(line, ',');
    g_string_append(line, "{\"who\":");
    json_append_quoted(line, who->name);
    json_line_bool(line, "operator", (who->flags & PURPLE_CBFLAGS_OP) != 0);
    g_string_append_c(line, '}');
  }
  g_string_append_c(line, ']');
  json_line_end(line);
}

static gboolean join_settled(gpointer conv) {
  report_join(conv);
  return G_SOURCE_REMOVE;
}

static void chat_joined(PurpleConversation *conv, gpointer data) {
  (void)data;
  if (announced_uri) {
    g_free(purple_conversation_get_data(conv, ROOM_URI));
    purple_conversation_set_data(conv, ROOM_URI, announced_uri);
    announced_uri = NULL;
  }
  if (!purple_conversation_get_data(conv, JOIN_PENDING))
    purple_conversation_set_data(conv, JOIN_PENDING, GUINT_TO_POINTER(g_idle_add(join_settled, conv)));
}

static void conversation_gone(PurpleConversation *conv) {
  guint pending = GPOINTER_TO_UINT(purple_conversation_get_data(conv, JOIN_PENDING));

  if (pending)
    g_source_remove(pending);
  json_line_end(begin_for_room("left", conv));
  g_free(purple_conversation_get_data(conv, ROOM_URI));
  purple_conversation_set_data(conv, ROOM_URI, NULL);
}

static void written(PurpleConversation *conv, const char *name, const char *alias, const char *html,
                    PurpleMessageFlags flags, time_t when) {
  gboolean error = (flags & PURPLE_MESSAGE_ERROR) != 0;
  gboolean said = !error && (flags & (PURPLE_MESSAGE_SEND | PURPLE_MESSAGE_RECV)) != 0;
  char *text = said ? purple_unescape_html(html) : purple_markup_strip_html(html);
  GString *line;

  (void)alias;
  report_join(conv);
  line = begin_for_room(error ? "chat-error" : said ? "message" : "chat-notice", conv);
  json_line_text(line, "who", name);
  json_line_text(line, "text", text);
  json_line_text(line, "html", html);
  json_line_number(line, "flags", flags);
  json_line_bool(line, "own", (flags & PURPLE_MESSAGE_SEND) != 0);
  json_line_number(line, "at", when);
  json_line_end(line);
  g_free(text);
}

static void users_added(PurpleConversation *conv, GList *users, gboolean new_arrivals) {
  if (!new_arrivals)
    return; /* listed by "joined" */
  report_join(conv);
  for (; users; users = users->next) {
    PurpleConvChatBuddy *who = users->data;
    GString *line = begin_for_room("user-joined", conv);
    json_line_text(line, "who", who->name);
    json_line_end(line);
  }
}

static void users_removed(PurpleConversation *conv, GList *users) {
  report_join(conv);
  for (; users; users = users->next) {
    GString *line = begin_for_room("user-left", conv);
    json_line_text(line, "who", users->data);
    json_line_end(line);
  }
}

static PurpleConversationUiOps conversation_ops = {
    .destroy_conversation = conversation_gone,
    .write_conv = written,
    .chat_add_users = users_added,
    .chat_remove_users = users_removed,
};

PurpleConversation *driver_ui_find_room(PurpleAccount *account, const char *uri_or_name) {
  for (GList *chat = purple_get_chats(); chat; chat = chat->next)
    if (purple_conversation_get_account(chat->data) == account && purple_strequal(room_uri(chat->data), uri_or_name))
      return chat->data;
  return purple_find_conversation_with_account(PURPLE_CONV_TYPE_CHAT, uri_or_name, account);
}

/* ---- connection ---- */

static void signed_on(PurpleConnection *gc, gpointer data) {
  (void)gc, (void)data;
  json_line_end(json_line_begin("connected"));
}

static void connection_error(PurpleConnection *gc, PurpleConnectionError code, const char *text, gpointer data) {
  GString *line = json_line_begin("connection-error");

  (void)gc, (void)data;
  json_line_number(line, "code", code);
  json_line_text(line, "text", text);
  json_line_end(line);
}

static void signed_off(PurpleConnection *gc, gpointer data) {
  (void)gc, (void)data;
  json_line_end(json_line_begin("disconnected"));
}

/* ---- debug log ---- */

/*
 * The plugin tells some things nowhere but in its debug output, so these lines are read:
 *   joined room 'NAME' (URI)     which room the conversation it creates next belongs to
 *   leaving room 'NAME' (URI)    it has forgotten a room it left, and can join it again
 *   ... received from unknown chat room 'URI'!    the server sent it a message of a room it is not in
 */
static char *uri_between(const char *text, const char *before, char after) {
  const char *found = g_strrstr(text, before);
  const char *start = found ? found + strlen(before) : NULL;
  const char *end = start ? strrchr(start, after) : NULL;

  return end ? g_strndup(start, (gsize)(end - start)) : NULL;
}

static void emit_uri(const char *event, char *uri) {
  GString *line = json_line_begin(event);

  json_line_text(line, "uri", uri);
  json_line_end(line);
  g_free(uri);
}

static void debug_print(PurpleDebugLevel level, const char *category, const char *text) {
  (void)level;
  if (debug_log)
    fprintf(debug_log, "%" G_GINT64_FORMAT " %s: %s", g_get_real_time() / 1000, category ? category : "-", text);
  if (!purple_strequal(category, "sipe"))
    return;
  if (g_str_has_prefix(text, "joined room ") || g_str_has_prefix(text, "rejoining room ")) {
    g_free(announced_uri);
    announced_uri = uri_between(text, "' (", ')');
  } else if (g_str_has_prefix(text, "leaving room ")) {
    emit_uri("parted", uri_between(text, "' (", ')'));
  } else if (g_str_has_prefix(text, "chatserver_grpchat_message: ") && strstr(text, "received from unknown chat room ")) {
    emit_uri("stray-message", uri_between(text, "chat room '", '\''));
  }
}

static gboolean debug_enabled(PurpleDebugLevel level, const char *category) {
  (void)level, (void)category;
  return TRUE;
}

static PurpleDebugUiOps debug_ops = {.print = debug_print, .is_enabled = debug_enabled};

/* ---- set-up ---- */

void driver_ui_open_log(FILE *log) {
  debug_log = log;
  setvbuf(log, NULL, _IOLBF, 0); /* the last line before a crash must be in the file */
  purple_debug_set_ui_ops(&debug_ops);
}

void driver_ui_install(void) {
  purple_conversations_set_ui_ops(&conversation_ops);
  driver_dialogs_install();
}

void driver_ui_connect_signals(void) {
  static int handle;

  purple_signal_connect(purple_connections_get_handle(), "signed-on", &handle, PURPLE_CALLBACK(signed_on), NULL);
  purple_signal_connect(purple_connections_get_handle(), "signed-off", &handle, PURPLE_CALLBACK(signed_off), NULL);
  purple_signal_connect(purple_connections_get_handle(), "connection-error", &handle,
                        PURPLE_CALLBACK(connection_error), NULL);
  purple_signal_connect(purple_conversations_get_handle(), "chat-joined", &handle, PURPLE_CALLBACK(chat_joined),
                        NULL);
}
