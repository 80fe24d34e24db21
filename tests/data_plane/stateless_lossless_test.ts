/**
 * One script in the stateless era, said to a server directly and through the
 * gateway: the answers are the same byte for byte, and so is what the server
 * receives, but for a prefix. Lists, which the gateway answers, show each item
 * as its server does.
 *
 * @module
 */

import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { startEveryFeatureStateless } from "../fixtures/every_feature_stateless.ts";
import { startRawServer } from "../fixtures/raw_server.ts";
import { parseExactly } from "../support/exact_json.ts";
import { startGateway } from "../support/gateway.ts";
import { proves, shared } from "../support/proves.ts";
import { mirrors, StatelessClient } from "../support/stateless_client.ts";
import { startTap, type Tap } from "../support/tap.ts";
import { lineDifferences } from "./_compare.ts";
import {
  ANSWERED_BY_SERVER,
  LISTS,
  type StatelessStep,
} from "./_stateless_script.ts";

const PREFIXES = ["", "f_"] as const;

/** The same server, tapped, as each of those who speak with it reach it. */
const setup = shared(async (stack) => {
  const features = stack.use(startEveryFeatureStateless());
  const other = stack.use(startRawServer());
  const tap = (): Tap => stack.use(startTap({ target: features.url }));
  const direct = tap();
  const through = await Promise.all(PREFIXES.map(async (prefix) => {
    const tapped = tap();
    const gateway = stack.use(
      await startGateway({
        servers: [
          { name: "features", url: tapped.url, prefix },
          // One server alone needs no prefix: names are told apart where two are.
          { name: "other", url: other.url, prefix: "other_" },
        ],
      }),
    );
    return { prefix, tap: tapped, url: gateway.url };
  }));
  return { direct, through };
});

for (const [at, prefix] of PREFIXES.entries()) {
  const behind = prefix === "" ? "" : " behind a prefix";

  for (const step of ANSWERED_BY_SERVER) {
    proves(
      `${step.step}${behind} is the same through the gateway`,
      async () => {
        const { direct, through } = setup();
        const without = await say(direct.url, direct, step, "");
        const { url, tap } = through[at]!;
        const with_ = await say(url, tap, step, prefix);
        assertEquals(
          lineDifferences("the answer", without.answer, with_.answer),
          [],
        );
        assertEquals(
          lineDifferences("the server", without.heard, with_.heard),
          [],
        );
        assert(without.heard.length > 0, "The server was not asked at all");
      },
    );
  }

  for (const list of LISTS) {
    proves(`${list.method}${behind} shows what the server says`, async () => {
      const { direct, through } = setup();
      const wanted = await listed(direct.url, list, "");
      assertNotEquals(wanted, []);
      assertEquals(await listed(through[at]!.url, list, prefix), wanted);
    });
  }
}

proves("the comparison finds a number that was rounded", async () => {
  const { direct } = setup();
  const step = ANSWERED_BY_SERVER.find(({ step }) => /no double/.test(step))!;
  const { answer } = await say(direct.url, direct, step, "");
  const rounded = answer.map((line) =>
    line.replaceAll("18446744073709551615", "18446744073709552000")
  );
  assertNotEquals(lineDifferences("the answer", answer, rounded), []);
});

/** What came back, and what the server heard of it, line by line. */
interface Said {
  readonly answer: readonly string[];
  readonly heard: readonly string[];
}

/** Says one step, of a client that can be asked. */
async function say(
  url: string,
  tap: Tap,
  { method, params = "{}", meta = "{}", id = "1" }: StatelessStep,
  prefix: string,
): Promise<Said> {
  const client = new StatelessClient(url, { capabilities: CAPABILITIES });
  const members = prefixed(params, prefix).slice(1, -1);
  const more = meta === "{}" ? "" : `,${meta.slice(1, -1)}`;
  const body =
    `{"jsonrpc":"2.0","id":${id},"method":"${method}","params":{${members}${
      members === "" ? "" : ","
    }"_meta":{${client.meta}${more}}}}`;
  const before = tap.requests.length;
  const reply = await client.send(body, {
    headers: mirrors(method, JSON.parse(prefixed(params, prefix))),
  });
  const heard = tap.requests.slice(before)
    .filter(({ headers }) => headers.get("mcp-method") === method);
  return {
    answer: [
      `${reply.status} ${reply.headers.get("content-type")}`,
      ...reply.text.split("\n"),
    ],
    heard: heard.flatMap(({ headers, body }) => [
      ...["mcp-protocol-version", "mcp-method", "mcp-name", "mcp-session-id"]
        .map((name) => `${name}: ${headers.get(name)}`),
      body,
    ]),
  };
}

const CAPABILITIES = { elicitation: {} };

/** Puts a prefix before the name of a tool or prompt. */
function prefixed(params: string, prefix: string): string {
  return params.replace(
    /^(\{"name":"|\{"ref":\{"type":"ref\/prompt","name":")/,
    `$1${prefix}`,
  );
}

/** Items of a list, over every page, as they are written but for a prefix. */
async function listed(
  url: string,
  { method, member, name }: (typeof LISTS)[number],
  prefix: string,
): Promise<string[]> {
  const client = new StatelessClient(url);
  const items: string[] = [];
  let cursor: unknown;
  do {
    const reply = await client.request(
      method,
      cursor === undefined ? {} : { cursor },
    );
    const message = parseExactly(reply.text) as Listed;
    const all = message.result[member] as readonly Record<string, unknown>[];
    for (const item of all) {
      const shown = String(item[name]);
      if (shown.startsWith("other_")) continue;
      const own = member === "tools" || member === "prompts"
        ? shown.slice(prefix.length)
        : shown;
      items.push(JSON.stringify({ ...item, [name]: own }));
    }
    cursor = message.result["nextCursor"];
  } while (cursor !== undefined);
  return items;
}

interface Listed {
  readonly result: Readonly<Record<string, unknown>>;
}
