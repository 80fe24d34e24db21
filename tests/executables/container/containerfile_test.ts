import { assertEquals, assertThrows } from "@std/assert";
import { readContainerfile } from "./containerfile.ts";

Deno.test("readContainerfile() reads what each target is made of", () => {
  const text = `
# a comment
ARG BASE=example.org/base:1

FROM \${BASE} AS one
COPY --chown=0:0 --chmod=0555 dist/one \\
  /bin/one
USER 65532:65532
EXPOSE 80 81
ENTRYPOINT ["/bin/one", "--flag"]

FROM other:2 AS two
`;
  assertEquals(
    [...readContainerfile(text)],
    [
      ["one", {
        base: "example.org/base:1",
        files: [{
          from: "dist/one",
          to: "/bin/one",
          owner: "0:0",
          mode: 0o555,
        }],
        user: "65532:65532",
        entrypoint: ["/bin/one", "--flag"],
        ports: [80, 81],
      }],
      ["two", {
        base: "other:2",
        files: [],
        user: "",
        entrypoint: [],
        ports: [],
      }],
    ],
  );
});

for (
  const line of [
    "RUN apt-get update",
    "COPY dist/one /bin/one",
    "COPY --chown=0:0 --chmod=0555 /dist/one /bin/one",
    "USER nonroot",
    "FROM ${NONE} AS three",
    "FROM base",
  ]
) {
  Deno.test(`readContainerfile() refuses ${line}`, () => {
    assertThrows(
      () => readContainerfile(`FROM base AS one\n${line}`),
      Error,
      `Cannot read the Containerfile: ${line}`,
    );
  });
}
