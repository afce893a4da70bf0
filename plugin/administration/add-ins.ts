import type { Room } from "../../src/chat/room.ts";
import { UsageError } from "../command-line.ts";
import type { CliCommand } from "../configured.ts";
import { allPages, given, text, verb } from "../verb.ts";

export const addInCommands: Readonly<Record<string, CliCommand>> = {
  "addin create": verb(
    "register a web page that rooms can show beside their messages",
    "parlance addin create NAME --url URL",
    ["NAME"],
    ["url"],
    async ({ administration }, [name = ""], values) => {
      const url = text(values.url);
      if (url === undefined) throw new UsageError("--url is missing: the page's address, https://…");
      await administration.addAddIn({ name, url });
      return undefined;
    },
    {
      aliases: ["addin add", "addin new"],
      rehearsed: true,
      details: [
        "e.g. parlance addin create Tickets --url https://tickets.example.com/room",
        "parlance room change ROOM --add-in NAME puts it into a room.",
      ],
    },
  ),
  "addin change": verb(
    "change an add-in's name or address; its rooms have the new one at once",
    "parlance addin change NAME [--name NEW] [--url URL]",
    ["NAME"],
    ["name", "url"],
    async ({ administration }, [addIn = ""], values) => {
      const change = given({ name: text(values.name), url: text(values.url) });
      if (Object.keys(change).length === 0)
        throw new UsageError("nothing to change is given: --name or --url");
      await administration.changeAddIn(addIn, change);
      return undefined;
    },
    {
      aliases: ["addin set"],
      rehearsed: true,
      details: ["e.g. parlance addin change Tickets --url https://tickets.example.com/v2"],
    },
  ),
  "addin list": verb(
    "list registered add-ins",
    "parlance addin list [--json]",
    [],
    [],
    async ({ administration }) =>
      (await administration.listAddIns()).map(({ name, url, rooms }) => ({ "add-in": name, url, rooms })),
    { details: ["parlance room list --add-in NAME lists the rooms that have one."] },
  ),
  "addin show": verb(
    "show an add-in and the rooms that have it",
    "parlance addin show NAME [--json]",
    ["NAME"],
    [],
    async ({ administration }, [wanted = ""]) => {
      const { name: addIn, url } = await administration.inspectAddIn(wanted);
      const rooms = await allPages(
        (atMost, after: Room | undefined) => administration.findRooms({ addIn }, atMost, after),
        (room) => room,
      );
      return {
        "add-in": [{ "add-in": addIn, url }],
        rooms: rooms.map(({ name, uri }) => ({ room: name, uri })),
      };
    },
    { aliases: ["addin get"], details: ["e.g. parlance addin show Tickets"] },
  ),
  "addin delete": verb(
    "remove an add-in that no room has",
    "parlance addin delete NAME [--dry-run]",
    ["NAME"],
    [],
    async ({ administration }, [name = ""], values) => {
      await administration.removeAddIn(name);
      return [{ "add-in": name, done: values["dry-run"] === true ? "would be deleted" : "deleted" }];
    },
    { aliases: ["addin remove"], rehearsed: true, details: ["e.g. parlance addin delete Tickets --dry-run"] },
  ),
};
