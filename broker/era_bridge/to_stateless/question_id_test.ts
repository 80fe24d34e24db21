import { assertEquals } from "@std/assert";
import { randomBytes } from "node:crypto";
import { KeyRing } from "../../../shared/sessions/keys.ts";
import {
  isQuestionId,
  readQuestionId,
  writeQuestionId,
} from "./question_id.ts";

const KEYS = new KeyRing(new Uint8Array(32).fill(1));
const ID = {
  owner: { broker: "ab12", url: "http://10.0.0.2:9090" },
  call: "abc",
  question: 2,
};
const written = writeQuestionId({ keys: KEYS, randomBytes }, "s", ID);

Deno.test("readQuestionId() reads what writeQuestionId() wrote, which is a JSON string", () => {
  assertEquals(JSON.parse(written).startsWith("mcpgw-bridge:"), true);
  assertEquals(isQuestionId(written), true);
  assertEquals(readQuestionId(KEYS, "s", written), ID);
});

const OTHERS:
  readonly (readonly [name: string, id: string, session?: string])[] = [
    ["of another session", written, "t"],
    ["that was changed", written.replace(/.{2}"$/, 'A"')],
    ["of a server's", '"mcpgw:aBcDeF12:weather:7"'],
    ["that is a number", "7"],
    ["without an end", written.slice(0, -1)],
    ["with nothing sealed", '"mcpgw-bridge:"'],
  ];
for (const [name, id, session = "s"] of OTHERS) {
  Deno.test(`readQuestionId() reads no id ${name}`, () => {
    assertEquals(readQuestionId(KEYS, session, id), undefined);
  });
}
