import { ChatError } from "../../src/chat/errors.ts";
import { UsageError } from "../command-line.ts";
import type { CliCommand } from "../configured.ts";
import { verb } from "../verb.ts";

export const domainCommands: Readonly<Record<string, CliCommand>> = {
  "domain add": verb(
    "serve one more SIP domain: its users can take part, and lists can name it for all of them",
    "parlance domain add DOMAIN [--dry-run] [--json]",
    ["DOMAIN"],
    [],
    async ({ administration }, [domain = ""]) => {
      await administration.addDomainPrincipal(domain);
      return undefined;
    },
    {
      aliases: ["domain create", "domain new"],
      rehearsed: true,
      details: [
        "e.g. parlance domain add example.org",
        "Where the global policy for chat is on, whoever the proxy lets in from this domain may take part from then on.",
        "The domain of parlance.yaml is always served. The proxy must authenticate the users of the others as well.",
      ],
    },
  ),
  "domain list": verb(
    "list the domains that are served: how many users of each are known, and how many lists name it",
    "parlance domain list [--json]",
    [],
    [],
    async ({ administration, servedDomain }) =>
      (await administration.listDomains()).map(({ domain, users, lists }) => ({
        domain,
        from: domain === servedDomain ? "configuration" : "here",
        users,
        lists,
      })),
    { details: ["parlance user show DOMAIN names the lists."] },
  ),
  "domain remove": verb(
    "serve a domain no longer; while a list names it only with --from-lists, which takes it out of them all",
    "parlance domain remove DOMAIN [--from-lists] [--dry-run] [--json]",
    ["DOMAIN"],
    [],
    async ({ administration }, [domain = ""], values) => {
      try {
        await administration.removeDomain(domain, { fromLists: values["from-lists"] === true });
      } catch (error) {
        if (!(error instanceof ChatError) || error.code !== "NOT_EMPTY") throw error;
        throw new UsageError(
          `${error.message} --from-lists takes it out of every list; try --dry-run with it`,
        );
      }
      return undefined;
    },
    {
      aliases: ["domain delete"],
      switches: ["from-lists"],
      rehearsed: true,
      details: [
        "e.g. parlance domain remove example.org --from-lists --dry-run",
        "Its users who are known already stay, with what they were given themselves; parlance user remove takes it away.",
      ],
    },
  ),
};
