/**
 * One scripted conversation, held with a server directly and through the
 * gateway: what the client receives, and what the server receives, differs
 * only in what `_allowed_differences.ts` and `_server_side.ts` list.
 *
 * That the comparison finds differences is proved in
 * `lossless_control_test.ts`.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { startEveryFeaturePython } from "../fixtures/every_feature_python.ts";
import { startEveryFeatureV1 } from "../fixtures/every_feature_v1.ts";
import { startEveryFeatureV2 } from "../fixtures/every_feature_v2.ts";
import { startRawServer } from "../fixtures/raw_server.ts";
import { parseExactly } from "../support/exact_json.ts";
import { startGateway } from "../support/gateway.ts";
import { proves } from "../support/proves.ts";
import {
  type LineChange,
  startTap,
  type TappedRequest,
} from "../support/tap.ts";
import { ALLOWED_DIFFERENCES } from "./_allowed_differences.ts";
import { compare, lineDifferences, type Recording } from "./_compare.ts";
import { converse, featuresOf } from "./_conversation.ts";
import { deletions, heardBy, UNHEARD } from "./_server_side.ts";
import type { Feature } from "./_steps.ts";
import { at } from "./_transcript.ts";

/** A server that can be started, again and again. */
interface Kind {
  readonly server: string;
  readonly start: () => Running | Promise<Running>;
  readonly can: readonly Feature[];
  /** How its answers are written, where that is unusual. */
  readonly tamper?: () => LineChange;
}

type Running = AsyncDisposable & { readonly url: string };

const V1: Kind = {
  server: "the v1 SDK",
  start: () => startEveryFeatureV1(),
  can: ["silent when cancelled"],
};
const V1_JSON: Kind = {
  server: "the v1 SDK that answers with JSON",
  start: () => startEveryFeatureV1({ jsonAnswers: true }),
  can: [],
};
const V1_RESUMABLE: Kind = {
  server: "the v1 SDK whose streams can be resumed",
  start: () => startEveryFeatureV1({ resumable: true }),
  can: ["silent when cancelled", "resumable"],
};
const V1_ODD: Kind = {
  server: "the v1 SDK whose streams are written in odd ways",
  start: () => startEveryFeatureV1({ resumable: true }),
  can: ["silent when cancelled", "resumable"],
  tamper: () => writeOddly,
};
const V2: Kind = {
  server: "the v2 SDK",
  start: () => startEveryFeatureV2(),
  can: ["silent when cancelled"],
};
const V2_RESUMABLE: Kind = {
  server: "the v2 SDK whose streams can be resumed",
  start: () => startEveryFeatureV2({ resumable: true }),
  can: ["silent when cancelled", "resumable"],
};
const PYTHON: Kind = {
  server: "the Python SDK",
  start: () => startEveryFeaturePython(),
  can: ["answers when cancelled", "new content"],
};

interface Conversation {
  readonly kind: Kind;
  readonly revision: string;
  /** With a prefix, another server stands beside this one. */
  readonly prefix: string;
  /** Whether the client can be asked. */
  readonly asked: boolean;
}

const CONVERSATIONS: readonly Conversation[] = [
  { kind: V1, revision: "2025-11-25", prefix: "", asked: true },
  { kind: V1, revision: "2025-11-25", prefix: "v1_", asked: true },
  { kind: V1, revision: "2025-06-18", prefix: "", asked: true },
  { kind: V1, revision: "2025-03-26", prefix: "", asked: true },
  { kind: V1, revision: "2025-11-25", prefix: "", asked: false },
  { kind: V1_JSON, revision: "2025-11-25", prefix: "", asked: false },
  { kind: V1_RESUMABLE, revision: "2025-11-25", prefix: "", asked: true },
  { kind: V1_RESUMABLE, revision: "2025-11-25", prefix: "", asked: false },
  { kind: V1_ODD, revision: "2025-11-25", prefix: "v1_", asked: true },
  { kind: V2, revision: "2025-11-25", prefix: "", asked: true },
  { kind: V2_RESUMABLE, revision: "2025-11-25", prefix: "v2_", asked: true },
  { kind: PYTHON, revision: "2025-11-25", prefix: "", asked: true },
  { kind: PYTHON, revision: "2025-06-18", prefix: "py_", asked: true },
];

interface Recorded extends Recording {
  /** What the server received. */
  readonly requests: readonly TappedRequest[];
}

/** Recordings of each conversation: directly, and through the gateway. */
const recorded: [Recorded, Recorded][] = [];

for (const conversation of CONVERSATIONS) {
  const { kind, revision, prefix, asked } = conversation;
  proves(
    `a conversation with ${kind.server} in ${revision}${
      prefix === "" ? "" : " behind a prefix"
    }${
      asked ? "" : " of a client that cannot be asked"
    } is the same through the gateway`,
    async () => {
      const direct = await record(conversation, false);
      assertEquals(direct.transcript.problems, []);
      const through = await record(conversation, true);
      recorded.push([direct, through]);
      const differences = [
        ...compare(direct, through),
        ...lineDifferences(
          "the server",
          heardBy(direct.requests),
          heardBy(through.requests),
        ),
        ...leaks(through),
      ];
      assert(differences.length === 0, `\n${differences.join("\n")}`);
      assertEquals(deletions(through.requests), 1);
    },
  );
}

proves("the conversation has every method of the protocol", () => {
  const said = recorded.flatMap(([{ requests, transcript }]) => [
    ...requests.flatMap(({ body }) => body === "" ? [] : parseExactly(body)),
    ...transcript.exchanges.flatMap(({ events }) =>
      events.map(({ message }) => message)
    ),
  ]);
  const methods = new Set(said.map((message) => at(message, "method")));
  assertEquals(METHODS.filter((method) => !methods.has(method)), []);
});

for (const difference of ALLOWED_DIFFERENCES) {
  proves(`a difference that is allowed does occur: ${difference.what}`, () => {
    assert(recorded.some((pair) => compare(...pair, difference).length > 0));
  });
}

for (const unheard of UNHEARD) {
  proves(`the server does hear more or less of ${unheard.what}`, () => {
    assert(recorded.some(([direct, through]) => {
      const [wanted, got] = [direct, through].map(({ requests }) =>
        heardBy(requests, unheard)
      );
      return `${wanted}` !== `${got}`;
    }));
  });
}

/** Holds the conversation, with a server of its own. */
async function record(
  { kind, revision, prefix, asked }: Conversation,
  gateway: boolean,
): Promise<Recorded> {
  await using stack = new AsyncDisposableStack();
  const server = stack.use(await kind.start());
  const tap = stack.use(startTap({ target: server.url, tamper: kind.tamper }));
  // A server that serves both eras is asked for its lists in the other one.
  const era = "session";
  const servers = [{ name: "talker", url: tap.url, prefix, era }];
  if (gateway && prefix !== "") {
    const { url } = stack.use(startOther());
    servers.push({ name: "other", url, prefix: "other_", era });
  }
  const { url } = gateway ? stack.use(await startGateway({ servers })) : tap;
  const transcript = await converse({
    url,
    revision,
    prefix: gateway ? prefix : "",
    features: new Set<Feature>([
      ...kind.can,
      ...featuresOf(revision),
      ...asked ? ["asked"] as const : [],
    ]),
  });
  return { transcript, side: { gateway, prefix }, requests: tap.requests };
}

/** A server that says nothing in the conversation. */
function startOther(): Running {
  return startRawServer({
    prompts: [{ name: "prompt" }],
    resources: [{ uri: "other://x", name: "other_resource" }],
    templates: [{ uriTemplate: "other://{x}", name: "other_template" }],
  });
}

/** What of the server reached the client, or of the gateway the server. */
function leaks({ transcript, requests }: Recorded): string[] {
  const received = JSON.stringify(transcript);
  const sessions = new Set(requests.map(({ session }) => session));
  sessions.delete("");
  const own = transcript.exchanges.find(({ method }) => method === "initialize")
    ?.headers["mcp-session-id"];
  return [
    ...[...sessions].filter((id) => received.includes(id))
      .map(() => "the client got the server's session id"),
    ...requests.filter(({ body, headers }) =>
      own !== undefined && `${body}${[...headers]}`.includes(own)
    ).map(() => "the server got the client's session id"),
  ];
}

/**
 * Writes an event stream in other ways that mean the same: line ends, several
 * lines of data, comments, fields without a space, small chunks. Other bodies
 * stay as they are, but for the chunks.
 */
function writeOddly(line: string): readonly string[] {
  const written = line.startsWith("event: ")
    ? `: a comment\r\n\r\n:\r\nunknown: field\r\nevent:${line.slice(7, -1)}\r\n`
    : line.startsWith("data: {")
    ? `data:{\r\ndata: ${line.slice(7, -1)}\r\n`
    : line;
  // Many small chunks, but not too many.
  const size = Math.max(61, written.length / 500);
  return Array.from(
    { length: Math.ceil(written.length / size) },
    (_, at) =>
      written.slice(Math.floor(at * size), Math.floor((at + 1) * size)),
  );
}

/** Every method of 2025-11-25 but those of tasks, which are experimental. */
const METHODS = [
  "initialize",
  "ping",
  "tools/list",
  "tools/call",
  "prompts/list",
  "prompts/get",
  "resources/list",
  "resources/templates/list",
  "resources/read",
  "resources/subscribe",
  "resources/unsubscribe",
  "completion/complete",
  "logging/setLevel",
  "sampling/createMessage",
  "elicitation/create",
  "roots/list",
  "notifications/initialized",
  "notifications/cancelled",
  "notifications/progress",
  "notifications/message",
  "notifications/roots/list_changed",
  "notifications/tools/list_changed",
  "notifications/prompts/list_changed",
  "notifications/resources/list_changed",
  "notifications/resources/updated",
  "notifications/elicitation/complete",
];
