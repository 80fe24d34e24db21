/**
 * The script of the stateless era, said by a client of one era to a server of
 * the other through the gateway, and in the server's own era directly: but for
 * what the translation adds and takes away, the answers are the same, number
 * by number and member by member, in the same order.
 *
 * @module
 */

import { assertEquals, assertNotEquals } from "@std/assert";
import { startEveryFeatureStateless } from "../fixtures/every_feature_stateless.ts";
import { startEveryFeatureV1 } from "../fixtures/every_feature_v1.ts";
import { parseExactly } from "../support/exact_json.ts";
import { startGateway } from "../support/gateway.ts";
import { proves, shared } from "../support/proves.ts";
import { RawClient, type RawReply } from "../support/raw_client.ts";
import { mirrors, StatelessClient } from "../support/stateless_client.ts";
import {
  ANSWERED_BY_SERVER,
  LOGGED,
  type StatelessStep,
} from "./_stateless_script.ts";

const CAPABILITIES = { elicitation: {} };
const SERVER_INFO = "io.modelcontextprotocol/serverInfo";

/** Steps that are the same in both eras. */
const STEPS: readonly StatelessStep[] = ANSWERED_BY_SERVER.filter(({ step }) =>
  // Questions are translated, not carried: the conformance suite has them. What
  // no SDK knows yet is refused by each in words of its own.
  !["a question", "an answer to it"].includes(step) &&
  !/kind to come/.test(step)
);

const setup = shared(async (stack) => {
  const session = stack.use(startEveryFeatureV1());
  const stateless = stack.use(startEveryFeatureStateless());
  const open = async (url: string) =>
    stack.use(
      await startGateway({ servers: [{ name: "features", url, prefix: "" }] }),
    ).url;
  return {
    session: session.url,
    stateless: stateless.url,
    toSession: await open(session.url),
    toStateless: await open(stateless.url),
  };
});

for (const step of STEPS) {
  proves(
    `${step.step}: a client of the stateless era gets what a server of the session era says`,
    async () => {
      const { session, toSession } = setup();
      const direct = await sayInSession(session, step);
      const through = await sayStateless(toSession, step);
      assertEquals(
        messagesOf(through).map(withoutHints),
        // A server of sessions logs to those who never said that they want it.
        messagesOf(direct).filter((message) =>
          step.meta === LOGGED || !/"notifications\/message"/.test(message)
        ).map((message) => message.replace('"code":-32002', '"code":-32602')),
      );
    },
  );

  proves(
    `${step.step}: a client of the session era gets what a server of the stateless era says`,
    async () => {
      const { stateless, toStateless } = setup();
      const direct = await sayStateless(stateless, step);
      const through = await sayInSession(toStateless, step);
      const notThere = step.step === "read feature://item/none";
      assertEquals(
        messagesOf(through),
        messagesOf(direct).map(withoutHints).map((message) =>
          notThere ? message.replace('"code":-32602', '"code":-32002') : message
        ),
      );
    },
  );
}

proves("the comparison finds a member that is missing", async () => {
  const { session } = setup();
  const step = STEPS.find(({ step }) => /unknown members/.test(step))!;
  const direct = messagesOf(await sayInSession(session, step));
  const less = direct.map((message) => message.replace(',"n":null', ""));
  assertNotEquals(less, direct);
});

async function sayStateless(
  url: string,
  step: StatelessStep,
): Promise<RawReply> {
  const client = new StatelessClient(url, { capabilities: CAPABILITIES });
  const meta = membersOf(client.meta, step.meta);
  return await client.send(bodyOf(step, meta), {
    headers: mirrors(step.method, JSON.parse(step.params ?? "{}")),
  });
}

async function sayInSession(
  url: string,
  step: StatelessStep,
): Promise<RawReply> {
  const client = await RawClient.connect(url, { capabilities: CAPABILITIES });
  if (step.meta === LOGGED) {
    await client.request("logging/setLevel", { level: "debug" });
  }
  const own = step.meta === LOGGED ? undefined : step.meta;
  const reply = await client.send(bodyOf(step, membersOf("", own)));
  await client.delete();
  return reply;
}

/** Members of `_meta` as JSON, with those of the step. */
function membersOf(members: string, more = "{}"): string {
  return [members, more.slice(1, -1)].filter((part) => part !== "").join(",");
}

function bodyOf(
  { method, params = "{}", id = "1" }: StatelessStep,
  meta: string,
): string {
  const all = membersOf(
    params.slice(1, -1),
    meta === "" ? undefined : `{"_meta":{${meta}}}`,
  );
  return `{"jsonrpc":"2.0","id":${id},"method":"${method}","params":{${all}}}`;
}

type Members = Record<string, unknown>;

/** What came, message by message, each with its own members first. */
function messagesOf({ text, headers }: RawReply): string[] {
  const stream = headers.get("content-type")?.startsWith("text/event-stream");
  const messages = stream
    ? text.split(/\r?\n/).filter((line) => /^data: ?\{/.test(line))
      .map((line) => line.slice(5))
    : [text];
  // The order of a message's members is its sender's, that of a result's not.
  return messages.map((message) =>
    JSON.stringify(
      Object.fromEntries(
        Object.entries(parseExactly(message) as Members).sort(([a], [b]) =>
          a < b ? -1 : 1
        ),
      ),
    )
  );
}

/** Takes away what a result has only in the stateless era. */
function withoutHints(message: string): string {
  const { result, ...rest } = parseExactly(message) as {
    readonly result?: Members;
  };
  if (result === undefined) return message;
  const { resultType: _, ttlMs: __, cacheScope: ___, ...own } = result;
  const { [SERVER_INFO]: ____, ...meta } = (own["_meta"] ?? {}) as Members;
  if (Object.keys(meta).length === 0) delete own["_meta"];
  else own["_meta"] = meta;
  return JSON.stringify({ ...rest, result: own });
}
