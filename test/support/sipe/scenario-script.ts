/** Somebody who can sign in. `login` is the digest user name when it is not `user@domain`. */
export interface ScenarioUser {
  user: string;
  domain: string;
  password: string;
  login?: string;
}

/** A room both users may enter, with the name its list row must show. */
export interface ScenarioRoom {
  uri: string;
  name: string;
}

/** A server with two users who may enter two rooms in which nothing has been said yet and nobody else speaks. */
export interface SipeScenario {
  host: string;
  port: number;
  transport: "tcp" | "tls";
  users: readonly [ScenarioUser, ScenarioUser];
  rooms: readonly [ScenarioRoom, ScenarioRoom];
}

/** One message that went through: what an archive must hold afterwards. `author` is a SIP URI. */
export interface SaidMessage {
  uri: string;
  author: string;
  text: string;
}

/** What people type: plain, markup, beyond the BMP, right-to-left, several lines, 4096 bytes in two scripts. */
export const SCENARIO_TEXTS: readonly string[] = [
  "good morning",
  `<b>not bold</b> & "quoted" 'too' &amp; ]]> <!-- no comment --> <?pi?>`,
  "emoji 😀👩‍👩‍👧 flags 🇪🇺 and שלום and مرحبا",
  "first line\nsecond line\n\nfourth line",
  `${"0123456789abcde ".repeat(254)}${"äöü€".repeat(3)}${"z".repeat(5)}`,
];

export const BOBS_ANSWER = "answer from the other side";
export const IN_SECOND_ROOM = "only for the second room";
export const IN_FIRST_ROOM = "and now the first again";
export const WHILE_AWAY = "said while bob was away";
export const BACK_AGAIN = "back again";

/** Everything that went through in a complete run, in the order of each room. */
export function whatWasSaid(scenario: SipeScenario): SaidMessage[] {
  const [alice, bob] = scenario.users.map(({ user, domain }) => `sip:${user}@${domain}`);
  const [first, second] = scenario.rooms;
  const by = (author = "", uri: string, texts: readonly string[]): SaidMessage[] =>
    texts.map((text) => ({ uri, author, text }));
  return [
    ...by(alice, first.uri, SCENARIO_TEXTS),
    ...by(bob, first.uri, [BOBS_ANSWER]),
    ...by(alice, second.uri, [IN_SECOND_ROOM]),
    ...by(alice, first.uri, [IN_FIRST_ROOM, WHILE_AWAY]),
    ...by(bob, first.uri, [BACK_AGAIN]),
  ];
}
