/* Room list, error boxes and questions of libpurple, as events; questions are answered without a human. */
#ifndef PARLANCE_DRIVER_DIALOGS_H
#define PARLANCE_DRIVER_DIALOGS_H

#include <purple.h>

void driver_dialogs_install(void);

/*
 * Each room becomes an event, then "room-list-end". Between "connected" and the answer of the chat pool the plugin knows no rooms
 * and refuses: "room-list-refused", to be asked again.
 */
void driver_dialogs_list_rooms(PurpleConnection *gc);

#endif
