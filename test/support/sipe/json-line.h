/* One event = one line of JSON on the driver's original stdout. */
#ifndef PARLANCE_JSON_LINE_H
#define PARLANCE_JSON_LINE_H

#include <glib.h>

/* Remembers the descriptor events are written to. */
void json_line_open(int fd);

/* Starts an event; the fields follow, then json_line_end() writes the line. */
GString *json_line_begin(const char *event);
void json_line_text(GString *line, const char *key, const char *value); /* NULL becomes null */
void json_line_number(GString *line, const char *key, gint64 value);
void json_line_bool(GString *line, const char *key, gboolean value);

/* The value alone, quoted: for arrays that the caller brackets itself. */
void json_append_quoted(GString *line, const char *value);
void json_line_end(GString *line);

#endif
