/**
 * How a conversation through the gateway may differ from the same one held
 * with the server directly: this, and nothing else.
 *
 * Each entry takes one difference away, from both recordings, or turns the
 * gateway's into what the server would have said. It says of which exchanges
 * it speaks, as narrowly as it can.
 *
 * @module
 */

import { exactNumber } from "../support/exact_json.ts";
import {
  at,
  changeAt,
  changeMessages,
  isJsonObject,
  type RecordedExchange,
  type Transcript,
} from "./_transcript.ts";

/** Which recording it is. */
export interface Side {
  /** Whether it went through the gateway. */
  readonly gateway: boolean;
  /** Put before the names of tools and prompts; "" where there is none. */
  readonly prefix: string;
}

/** A difference that is allowed. */
export interface AllowedDifference {
  /** What may differ. */
  readonly what: string;
  /** Why. */
  readonly why: string;
  /** Takes the difference away. */
  readonly remove: (transcript: Transcript, side: Side) => Transcript;
}

/** Requests that are no single server's business: the gateway answers them. */
const OWN_REQUESTS = new Set([
  "initialize",
  "ping",
  "tools/list",
  "prompts/list",
  "resources/list",
  "resources/templates/list",
  "logging/setLevel",
  "vendor/unknown",
  "batch",
]);

/** Steps that the gateway refuses, and what the specification calls that. */
const REFUSALS: Readonly<
  Record<string, { readonly code: string; readonly prefixed: boolean }>
> = {
  "a cursor that nobody gave out": { code: "-32602", prefixed: true },
  // Behind a prefix the server says so itself.
  "an unknown tool": { code: "-32602", prefixed: false },
  "an unknown prompt": { code: "-32602", prefixed: false },
  "a call without a name": { code: "-32602", prefixed: true },
  "an unknown method": { code: "-32601", prefixed: true },
  "a resource that nobody has": { code: "-32002", prefixed: true },
};

/** The table. */
export const ALLOWED_DIFFERENCES: readonly AllowedDifference[] = [
  {
    what: "session ids",
    why: "a server's session id is the gateway's secret; the client has one " +
      "of the gateway's, which it is told once",
    remove: eachExchange((exchange) => {
      const { "mcp-session-id": id, ...headers } = exchange.headers;
      return {
        ...exchange,
        headers: exchange.method === "initialize" && id !== undefined
          ? { ...headers, "mcp-session-id": "an id" }
          : headers,
      };
    }),
  },
  {
    what: "serverInfo",
    why: "the client speaks with the gateway, and is told so",
    remove: eachMessage(
      "initialize",
      (message) =>
        changeAt(message, ["result", "serverInfo"], () => "a server"),
    ),
  },
  {
    what: "headings in the instructions",
    why: "where several servers give them, each stands under its name",
    remove: (transcript, side) =>
      side.gateway
        ? eachMessage("initialize", (message) =>
          changeAt(
            message,
            ["result", "instructions"],
            (text) => String(text).replace(/^# talker\n\n/, ""),
          ))(transcript, side)
        : transcript,
  },
  {
    what: "how an answer of the gateway's own is delivered",
    why: "a server may answer a request with JSON or with a stream as it " +
      "likes (2025-11-25, transports)",
    remove: eachExchange((exchange, side) =>
      isOwn(exchange, side)
        ? {
          ...exchange,
          headers: pick(exchange.headers, ["mcp-session-id"]),
          events: exchange.events.flatMap(({ message }) =>
            message === undefined ? [] : { message }
          ),
        }
        : exchange
    ),
  },
  {
    what: "the form of the answer to a batch",
    why: "one array or several events (2025-03-26, transports)",
    remove: eachExchange((exchange) =>
      exchange.method === "batch"
        ? {
          ...exchange,
          events: exchange.events.flatMap(({ message }) =>
            [message].flat().map((message) => ({ message }))
          ),
        }
        : exchange
    ),
  },
  {
    what: "the order of members in messages of the gateway's",
    why: "order means nothing in JSON; what servers say keeps theirs",
    remove: eachExchange((exchange, side) =>
      changeMessages(
        exchange,
        (message) =>
          exchange.method === "initialize"
            ? sorted(message, Infinity)
            : isOwn(exchange, side) || isListChanged(message)
            ? sorted(message, 1)
            : message,
      )
    ),
  },
  {
    what: "pages and cursors",
    why: "the gateway pages its own, merged list; what counts is the whole",
    remove: (transcript) => ({
      ...transcript,
      exchanges: joinPages(transcript.exchanges),
    }),
  },
  {
    what: "events of the GET stream without a message, and event ids on it",
    why: "the stream is the gateway's; it can be resumed where the server's " +
      "cannot",
    remove: eachExchange((exchange) =>
      exchange.http === "GET" && exchange.method === ""
        ? {
          ...exchange,
          events: exchange.events.flatMap(({ message }) =>
            message === undefined ? [] : { message }
          ),
        }
        : exchange
    ),
  },
  {
    what: "event ids on streams of calls",
    why: "they lead back to the server; each that was there is there",
    remove: eachExchange((exchange) => ({
      ...exchange,
      events: exchange.events.map((event) =>
        event.id === undefined ? event : { ...event, id: "an id" }
      ),
    })),
  },
  {
    what: "ids of the server's requests",
    why: "the answer leads back to the server; the same one in a " +
      "cancellation stands for the same request",
    remove: (transcript) =>
      rename(transcript, "request", (message) => [
        ...typeof at(message, "method") === "string" &&
            at(message, "id") !== undefined
          ? [["id"]]
          : [],
        ...at(message, "method") === "notifications/cancelled"
          ? [["params", "requestId"]]
          : [],
      ]),
  },
  {
    what: "progress tokens of the server's requests",
    why: "the client's progress leads back to the server",
    remove: (transcript) =>
      rename(
        transcript,
        "token",
        (message) =>
          at(message, "id") !== undefined &&
            at(message, "params", "_meta", "progressToken") !== undefined
            ? [["params", "_meta", "progressToken"]]
            : [],
      ),
  },
  {
    what: "items of other servers",
    why: "the list is everybody's",
    remove: eachExchange((exchange, { gateway }) =>
      gateway && exchange.method in LISTS
        ? changeItems(exchange, (items) => items.filter((one) => !isOther(one)))
        : exchange
    ),
  },
  {
    what: "names of tools and prompts",
    why: "with a prefix, they have it",
    remove: (transcript, { gateway, prefix }) =>
      gateway && prefix !== "" ? withoutPrefix(transcript, prefix) : transcript,
  },
  {
    what: "refusals in the gateway's own words",
    why: "what no server is asked, no server words; the code is the " +
      "specification's, whatever the server's would be",
    remove: eachExchange((exchange, side) =>
      isRefusal(exchange, side) ? inOwnWords(exchange, side) : exchange
    ),
  },
  {
    what: "headers of an answer without a body",
    why: "they say nothing of what is not there",
    remove: eachExchange((exchange) =>
      exchange.status === 202 ? { ...exchange, headers: {} } : exchange
    ),
  },
  {
    what: "status of a DELETE that is done",
    why: "any success will do (2025-11-25, transports)",
    remove: eachExchange((exchange) =>
      exchange.http === "DELETE" &&
        [200, 202, 204].includes(exchange.status)
        ? { ...exchange, status: 200, headers: {}, events: [] }
        : exchange
    ),
  },
  {
    what: "words for a session that has ended",
    why: "404 is what counts (2025-11-25, transports)",
    remove: eachExchange((exchange) =>
      exchange.step === "after DELETE"
        ? { ...exchange, headers: {}, events: [] }
        : exchange
    ),
  },
];

/** Takes every allowed difference away, or every one but one. */
export function withoutAllowed(
  transcript: Transcript,
  side: Side,
  except?: AllowedDifference,
): Transcript {
  return ALLOWED_DIFFERENCES.filter((one) => one !== except)
    .reduce((rest, { remove }) => remove(rest, side), transcript);
}

function eachExchange(
  change: (exchange: RecordedExchange, side: Side) => RecordedExchange,
): AllowedDifference["remove"] {
  return (transcript, side) => ({
    ...transcript,
    exchanges: transcript.exchanges.map((exchange) => change(exchange, side)),
  });
}

function eachMessage(
  method: string,
  change: (message: unknown) => unknown,
): AllowedDifference["remove"] {
  return eachExchange((exchange) =>
    exchange.method === method ? changeMessages(exchange, change) : exchange
  );
}

/** Whether the gateway itself answers. */
function isOwn(exchange: RecordedExchange, side: Side): boolean {
  return OWN_REQUESTS.has(exchange.method) || isRefusal(exchange, side);
}

/** Whether the gateway itself refuses. */
function isRefusal({ step }: RecordedExchange, { prefix }: Side): boolean {
  const refusal = REFUSALS[step];
  return refusal !== undefined && (prefix === "" || refusal.prefixed);
}

/** Lists are merged: that one changed is the gateway's to say. */
function isListChanged(message: unknown): boolean {
  return /^notifications\/(tools|prompts|resources)\/list_changed$/
    .test(String(at(message, "method")));
}

/** Sorts the members of objects, so many levels deep. */
function sorted(value: unknown, levels: number): unknown {
  if (levels === 0 || !isJsonObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value).toSorted(([a], [b]) => a < b ? -1 : 1)
      .map(([name, inner]) => [name, sorted(inner, levels - 1)]),
  );
}

function pick(
  headers: Readonly<Record<string, string>>,
  names: readonly string[],
): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).filter(([name]) => names.includes(name)),
  );
}

/** The member of a result that is the list. */
const LISTS: Readonly<Record<string, string>> = {
  "tools/list": "tools",
  "prompts/list": "prompts",
  "resources/list": "resources",
  "resources/templates/list": "resourceTemplates",
};

/** Makes one exchange of those that list page after page. */
function joinPages(
  exchanges: readonly RecordedExchange[],
): readonly RecordedExchange[] {
  const joined: RecordedExchange[] = [];
  for (const exchange of exchanges) {
    const member = LISTS[exchange.method];
    const before = joined.at(-1);
    const message = exchange.events[0]?.message;
    const items = member && at(message, "result", member);
    if (member === undefined || !Array.isArray(items)) {
      joined.push(exchange);
      continue;
    }
    const earlier = at(before?.events[0]?.message, "result", member);
    const continues = Array.isArray(earlier) &&
      before?.step === exchange.step && before.method === exchange.method;
    if (continues) joined.pop();
    const whole = continues ? [...earlier, ...items] : items;
    joined.push({
      ...exchange,
      events: [{
        message: changeAt(
          // The answer to the first page stands for all.
          continues ? before.events[0]?.message : message,
          ["result"],
          (result) => {
            if (!isJsonObject(result)) return result;
            const { nextCursor: _cursor, ...rest } = result;
            return { ...rest, [member]: whole };
          },
        ),
      }],
    });
  }
  return joined;
}

/** Names ids by the order in which they first appear; the same, the same. */
function rename(
  transcript: Transcript,
  kind: string,
  paths: (message: unknown) => readonly (readonly string[])[],
): Transcript {
  const names = new Map<string, string>();
  const nameOf = (id: unknown): string => {
    const key = JSON.stringify(id);
    const name = names.get(key) ?? `${kind} ${names.size}`;
    names.set(key, name);
    return name;
  };
  return eachExchange((exchange) =>
    changeMessages(
      exchange,
      (message) =>
        paths(message).reduce<unknown>(
          (changed, path) => changeAt(changed, path, nameOf),
          message,
        ),
    )
  )(transcript, { gateway: false, prefix: "" });
}

/** Whether an item is of the server that stands beside the one that talks. */
function isOther(item: unknown): boolean {
  return String(at(item, "name")).startsWith("other_");
}

/** Takes the prefix from the names in lists, where alone it is put. */
function withoutPrefix(transcript: Transcript, prefix: string): Transcript {
  const bare = (name: unknown): unknown =>
    String(name).startsWith(prefix)
      ? String(name).slice(prefix.length)
      : `${name} has no prefix`;
  return eachExchange((exchange) =>
    ["tools/list", "prompts/list"].includes(exchange.method)
      ? changeItems(
        exchange,
        (items) => items.map((item) => changeAt(item, ["name"], bare)),
      )
      : exchange
  )(transcript, { gateway: true, prefix });
}

function changeItems(
  exchange: RecordedExchange,
  change: (items: readonly unknown[]) => unknown,
): RecordedExchange {
  return changeMessages(exchange, (message) =>
    changeAt(
      message,
      ["result", LISTS[exchange.method]!],
      (items) => Array.isArray(items) ? change(items) : items,
    ));
}

/** An error without words; the gateway's has the specification's code. */
function inOwnWords(
  exchange: RecordedExchange,
  { gateway }: Side,
): RecordedExchange {
  const wanted = REFUSALS[exchange.step]!.code;
  return changeMessages(
    exchange,
    (message) =>
      changeAt(message, ["error"], (error) => ({
        code: gateway ? at(error, "code") : exactNumber(wanted),
      })),
  );
}
