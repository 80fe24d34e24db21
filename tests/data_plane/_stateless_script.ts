/**
 * What a client of the stateless era says to a server with every feature, step
 * by step: the smaller sibling of `_script.ts`.
 *
 * @module
 */

import { RESULTS } from "./_content_steps.ts";

/** A request of the script. */
export interface StatelessStep {
  /** Its name, which no other has. */
  readonly step: string;
  /** Method. */
  readonly method: string;
  /** Its parameters as JSON, without `_meta`. */
  readonly params?: string;
  /** Members of `_meta` besides the envelope, as JSON. */
  readonly meta?: string;
  /** Its id as JSON. */
  readonly id?: string;
}

/** What a request says of itself that wants to hear of everything. */
export const LOGGED: string = '{"io.modelcontextprotocol/logLevel":"debug"}';
const FORM = `{"message":"Who \u00fc?","requestedSchema":{"type":"object",
  "properties":{"answer":{"type":"string"}},"required":["answer"]}}`;

/** Requests that a server answers, in order. */
export const ANSWERED_BY_SERVER: readonly StatelessStep[] = [
  ...RESULTS.map(({ what, result }) =>
    call(`a result with ${what}`, "answer", `{"result":${result}}`)
  ),
  call("numbers that no double holds", "structured"),
  {
    ...call(
      "arguments and _meta of a call",
      "echo",
      '{"text":"\u00fc \u{1F600} \u2028 \\"quoted\\"","deep":[{"a":[null,1.50]}]}',
    ),
    meta: '{"example.com/trace":{"id":"x"},"traceparent":"00-ab-cd-01"}',
  },
  call("a text of a megabyte", "large", '{"size":1048576}'),
  ...['"7"', '""', "0", "-1", "9007199254740991", '"a:b \u00fc"'].map((id) => ({
    ...call(`the id ${id}`, "echo", "{}"),
    id,
  })),
  call(
    "an error of the protocol",
    "fail",
    '{"code":-31999,"message":"No \u00fc","data":{"z":[1],"a":null}}',
  ),
  {
    ...call(
      "notifications in a call's stream",
      "notify",
      `{"notifications":[
        {"stream":"call","method":"notifications/progress",
         "params":{"progress":1,"total":2,"message":"one"}},
        {"stream":"call","method":"notifications/progress",
         "params":{"progress":2,"total":2}}]}`,
    ),
    meta: '{"progressToken":"token \u00fc"}',
  },
  { ...call("logs, as they are asked for", "log"), meta: LOGGED },
  call("no logs, as nobody asked", "log"),
  call("a question", "ask", `{"method":"elicitation/create","params":${FORM}}`),
  {
    ...call("an answer to it", "ask"),
    params: `{"name":"ask","arguments":{"method":"elicitation/create",
      "params":${FORM}},"inputResponses":{"asked":{"action":"accept",
      "content":{"answer":"\u00fc"}},"unasked":{"action":"decline"}},
      "requestState":"asked \u00fc \\"quoted\\""}`,
  },
  prompt("a prompt", "plain"),
  prompt("a prompt with every kind of content", "rich"),
  {
    ...prompt("a prompt with arguments", "review", '{"title":"\u00fc"}'),
    meta: '{"example.com/n":[1.5,null]}',
  },
  prompt("a prompt that lacks an argument", "review"),
  ...["feature://text", "feature://bytes", "urn:example:odd%20one"].map(read),
  read("feature://item/7"),
  read("feature://item/none"),
  {
    step: "a completion for a prompt",
    method: "completion/complete",
    params: `{"ref":{"type":"ref/prompt","name":"review"},
      "argument":{"name":"tone","value":"f"},
      "context":{"arguments":{"title":"x"}}}`,
  },
  {
    step: "a completion for a template",
    method: "completion/complete",
    params: `{"ref":{"type":"ref/resource","uri":"feature://item/{id}"},
      "argument":{"name":"id","value":""}}`,
  },
];

/** Lists, and the member and the name of what is in them. */
export const LISTS: readonly {
  readonly method: string;
  readonly member: string;
  readonly name: string;
}[] = [
  { method: "tools/list", member: "tools", name: "name" },
  { method: "prompts/list", member: "prompts", name: "name" },
  { method: "resources/list", member: "resources", name: "uri" },
  {
    method: "resources/templates/list",
    member: "resourceTemplates",
    name: "uriTemplate",
  },
];

function call(step: string, tool: string, args?: string): StatelessStep {
  const given = args === undefined ? "" : `,"arguments":${args}`;
  const params = `{"name":"${tool}"${given}}`;
  return { step, method: "tools/call", params };
}

function prompt(step: string, name: string, args?: string): StatelessStep {
  const given = args === undefined ? "" : `,"arguments":${args}`;
  const params = `{"name":"${name}"${given}}`;
  return { step, method: "prompts/get", params };
}

function read(uri: string): StatelessStep {
  return {
    step: `read ${uri}`,
    method: "resources/read",
    params: `{"uri":"${uri}"}`,
  };
}
