/**
 * Bearer tokens for tests: JWTs whose signature is nonsense. The gateway reads
 * issuer and subject; forgeries are for an auth filter to refuse.
 *
 * @module
 */

/** Makes the `Authorization` header of a subject. */
export function bearer(
  subject: string,
  issuer = "https://issuer.example",
): { readonly authorization: string } {
  const encode = (value: object): string =>
    btoa(JSON.stringify(value))
      .replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
  const header = encode({ alg: "RS256", typ: "JWT" });
  const claims = encode({
    iss: issuer,
    sub: subject,
    exp: Math.floor(Date.now() / 1000) + 3600,
  });
  return { authorization: `Bearer ${header}.${claims}.c2lnbmF0dXJl` };
}
