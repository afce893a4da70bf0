#include "driver-dialogs.h"

#include "json-line.h"

#include <stdarg.h>

/* ---- room list ---- */

static void room_listed(PurpleRoomlist *list, PurpleRoomlistRoom *room) {
  GString *line = json_line_begin("room");
  GList *field = list->fields;
  GList *value = purple_roomlist_room_get_fields(room);

  json_line_text(line, "name", purple_roomlist_room_get_name(room));
  for (; field && value; field = field->next, value = value->next) {
    PurpleRoomlistField *column = field->data;
    if (column->type == PURPLE_ROOMLIST_FIELD_STRING)
      json_line_text(line, column->name, value->data);
    else if (column->type == PURPLE_ROOMLIST_FIELD_INT)
      json_line_number(line, column->name, GPOINTER_TO_INT(value->data));
    else
      json_line_bool(line, column->name, value->data != NULL);
  }
  json_line_end(line);
}

static gboolean asking;

/* The plugin refuses by ending the list while it is still being asked for; answers of the server come later. */
static void listing(PurpleRoomlist *list, gboolean in_progress) {
  (void)list;
  if (!in_progress)
    json_line_end(json_line_begin(asking ? "room-list-refused" : "room-list-end"));
}

void driver_dialogs_list_rooms(PurpleConnection *gc) {
  asking = TRUE;
  purple_roomlist_get_list(gc);
  asking = FALSE;
}

static PurpleRoomlistUiOps room_list_ops = {.add_room = room_listed, .in_progress = listing};

/* ---- error boxes ---- */

static int box; /* any address serves as handle of a box that nobody closes */

static void *box_shown(PurpleNotifyMsgType type, const char *title, const char *primary, const char *secondary) {
  GString *line = json_line_begin("notify");

  json_line_text(line, "level",
                 type == PURPLE_NOTIFY_MSG_ERROR     ? "error"
                 : type == PURPLE_NOTIFY_MSG_WARNING ? "warning"
                                                     : "info");
  json_line_text(line, "title", title);
  json_line_text(line, "primary", primary);
  json_line_text(line, "secondary", secondary);
  json_line_end(line);
  return &box;
}

static void *text_shown(const char *title, const char *primary, const char *secondary, const char *text) {
  (void)text;
  return box_shown(PURPLE_NOTIFY_MSG_INFO, title, primary, secondary);
}

static PurpleNotifyUiOps notify_ops = {.notify_message = box_shown, .notify_formatted = text_shown};

/* ---- questions ---- */

struct question {
  PurpleRequestActionCb answer;
  void *user_data;
  int choice;
  guint idle;
};

static gboolean answer_now(gpointer data) {
  struct question *asked = data;

  asked->idle = 0;
  asked->answer(asked->user_data, asked->choice);
  purple_request_close(PURPLE_REQUEST_ACTION, asked);
  return G_SOURCE_REMOVE;
}

/* Takes "Accept" where it is offered (the certificate question), else the default, else the last button. */
static void *question_asked(const char *title, const char *primary, const char *secondary, int default_action,
                            PurpleAccount *account, const char *who, PurpleConversation *conv, void *user_data,
                            size_t action_count, va_list actions) {
  struct question *asked = g_new0(struct question, 1);
  const char *chosen = NULL;
  gboolean accepting = FALSE;
  GString *line = json_line_begin("request");

  (void)account, (void)who, (void)conv;
  for (size_t i = 0; i < action_count; i++) {
    const char *label = va_arg(actions, const char *);
    PurpleRequestActionCb callback = va_arg(actions, PurpleRequestActionCb);
    char *plain = purple_text_strip_mnemonic(label);
    gboolean accept = g_ascii_strcasecmp(plain, "Accept") == 0;

    if (accept || (!accepting && (chosen == NULL || (int)i <= default_action || default_action < 0))) {
      chosen = label;
      asked->answer = callback;
      asked->choice = (int)i;
      accepting = accept;
    }
    g_free(plain);
  }
  asked->user_data = user_data;
  if (asked->answer)
    asked->idle = g_idle_add(answer_now, asked);

  json_line_text(line, "title", title);
  json_line_text(line, "primary", primary);
  json_line_text(line, "secondary", secondary);
  json_line_text(line, "answer", chosen);
  json_line_end(line);
  return asked;
}

static void *form_asked(const char *title, const char *primary, const char *secondary) {
  struct question *asked = g_new0(struct question, 1);
  GString *line = json_line_begin("request");

  json_line_text(line, "title", title);
  json_line_text(line, "primary", primary);
  json_line_text(line, "secondary", secondary);
  json_line_text(line, "answer", NULL);
  json_line_end(line);
  return asked;
}

static void *fields_asked(const char *title, const char *primary, const char *secondary, PurpleRequestFields *fields,
                          const char *ok_text, GCallback ok, const char *cancel_text, GCallback cancel,
                          PurpleAccount *account, const char *who, PurpleConversation *conv, void *user_data) {
  (void)fields, (void)ok_text, (void)ok, (void)cancel_text, (void)cancel;
  (void)account, (void)who, (void)conv, (void)user_data;
  return form_asked(title, primary, secondary);
}

static void *input_asked(const char *title, const char *primary, const char *secondary, const char *initial,
                         gboolean multiline, gboolean masked, gchar *hint, const char *ok_text, GCallback ok,
                         const char *cancel_text, GCallback cancel, PurpleAccount *account, const char *who,
                         PurpleConversation *conv, void *user_data) {
  (void)initial, (void)multiline, (void)masked, (void)hint, (void)ok_text, (void)ok, (void)cancel_text;
  (void)cancel, (void)account, (void)who, (void)conv, (void)user_data;
  return form_asked(title, primary, secondary);
}

static void question_closed(PurpleRequestType type, void *handle) {
  struct question *asked = handle;

  (void)type;
  if (asked->idle)
    g_source_remove(asked->idle);
  g_free(asked);
}

static PurpleRequestUiOps request_ops = {
    .request_input = input_asked,
    .request_action = question_asked,
    .request_fields = fields_asked,
    .close_request = question_closed,
};

void driver_dialogs_install(void) {
  purple_roomlist_set_ui_ops(&room_list_ops);
  purple_notify_set_ui_ops(&notify_ops);
  purple_request_set_ui_ops(&request_ops);
}
