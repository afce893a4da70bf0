import { type Alert, severityOf } from "../../src/alerts/alert.ts";
import { MysqlAlertStore } from "../../src/store/mysql/alert-store.ts";
import { EXIT, UsageError } from "../command-line.ts";
import { type CliCommand, configOf, expectWords } from "../configured.ts";
import { verb } from "../verb.ts";

const TEST_USAGE = "parlance alert test --config FILE";

export const alertCommands: Readonly<Record<string, CliCommand>> = {
  "alert list": verb(
    "show what is the matter now",
    "parlance alert list [--json]",
    [],
    [],
    async ({ database }) =>
      (await new MysqlAlertStore(database).list()).map((alert) => ({
        severity: severityOf(alert),
        alert: alert.name,
        subject: alert.subject,
        since: new Date(alert.sinceMs).toISOString(),
        detail: alert.detail,
        seenBy: alert.owner,
      })),
    {
      details: [
        "Nothing is shown when all is well. docs/operator.md says what each alert means and what to do.",
        "An alert that nobody could write down, such as database-away, stands in the log of the process that saw it.",
      ],
    },
  ),
  "alert forget": verb(
    "stop missing a node or worker that shall not come back",
    "parlance alert forget NAME",
    ["NAME"],
    [],
    async ({ database }, [name = ""]) => {
      if (await new MysqlAlertStore(database).forget(name)) return [{ forgotten: name }];
      throw new UsageError(`no process "${name}" is missed; "parlance alert list" shows who is`);
    },
    { details: ["Example: parlance alert forget n2"] },
  ),
  "alert test": {
    summary: "send a message to everybody who is told of alerts",
    usage: TEST_USAGE,
    details: ["Exit code 1 when one of them could not be reached; alerts in parlance.yaml says who is told."],
    options: {},
    run: async (words, values) => {
      expectWords(words, [], TEST_USAGE);
      const config = configOf(values);
      const { alertSinks } = await import("../wire-alerts.ts"); // brings a mailer along, which other commands need not load
      const sinks = alertSinks(config);
      if (sinks.length === 0)
        throw new UsageError("nobody is told of alerts: set alerts.webhook-url-file or alerts.smtp-url-file");
      const alert: Alert = {
        name: "capture-behind",
        subject: "a test",
        detail: "this is only a test: nothing is the matter",
        owner: "parlance alert test",
        sinceMs: Date.now(),
      };
      let failed = 0;
      for (const sink of sinks) {
        try {
          await sink.tell({ firing: [alert], resolved: [] });
          await sink.tell({ firing: [], resolved: [alert] });
          process.stdout.write(`${sink.name}: arrived\n`);
        } catch (error) {
          failed += 1;
          process.stderr.write(`${sink.name}: ${error instanceof Error ? error.message : String(error)}\n`);
        }
      }
      return failed === 0 ? EXIT.ok : EXIT.failed;
    },
  },
};
