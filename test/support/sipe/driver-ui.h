/* What a person in front of Pidgin would see, as events: conversations, room lists, dialogs, the connection. */
#ifndef PARLANCE_DRIVER_UI_H
#define PARLANCE_DRIVER_UI_H

#include <purple.h>
#include <stdio.h>

/* Before purple_core_init(): debug output goes to this file. */
void driver_ui_open_log(FILE *log);

/* During purple_core_init(), from PurpleCoreUiOps.ui_prefs_init or debug_ui_init resp. ui_init. */
void driver_ui_install(void);

/* After purple_core_init(): signals for connections and joined rooms. */
void driver_ui_connect_signals(void);

/* A joined room by its ma-chan URI, else by its name. NULL if there is none. */
PurpleConversation *driver_ui_find_room(PurpleAccount *account, const char *uri_or_name);

#endif
