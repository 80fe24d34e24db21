/**
 * Credentials and CA bundles: finds them in the Secrets of a registration's
 * own namespace, and names the files that router and broker read them from.
 * No message repeats anything of a Secret's values. Pure.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { SECRET_LABEL } from "../resources/groups.ts";
import type {
  McpServerRegistration,
  SecretKeyRef,
} from "../resources/mcp_server_registration.ts";
import { isOffered, secretText } from "../resources/secret.ts";
import { type Obstacle, obstacle } from "./obstacle.ts";
import type { World } from "./world.ts";

/** A file of the secrets directory. */
export interface SecretFile {
  /** Its name. */
  readonly name: string;
  /** Its content, Base64. */
  readonly data: string;
}

/** What a registration's references resolve to. */
export interface Credentials {
  /** The credential that its lists are read with. */
  readonly credential?: SecretFile;
  /** The certificates that the server's own is checked against. */
  readonly caCert?: SecretFile;
  /** What cannot be used. */
  readonly obstacles: readonly Obstacle[];
}

/** What may be in the value of an HTTP header. */
const HEADER_VALUE = /^[\x21-\x7e](?:[\t\x20-\x7e]*[\x21-\x7e])?$/;

/**
 * Finds a registration's credentials.
 *
 * No tenant can collide with another's file. `_` is in no namespace's and no
 * object's name, so `team_weather_credential` comes from one registration
 * only. A bundle is named by its content: many servers share one, which is
 * then written once.
 */
export function findCredentials(
  registration: McpServerRegistration,
  world: World,
): Credentials {
  const { meta, credential, caCert } = registration;
  const obstacles: Obstacle[] = [];
  const find = (
    field: string,
    ref: SecretKeyRef | undefined,
    use: (text: string, data: string) => SecretFile | string,
  ): SecretFile | undefined => {
    if (ref === undefined) return undefined;
    const found = lookUp(field, meta.namespace, ref, world);
    if (!("text" in found)) {
      obstacles.push(found);
      return undefined;
    }
    const file = use(found.text, found.data);
    if (typeof file !== "string") return file;
    obstacles.push(obstacle(
      "SecretInvalid",
      `Cannot use ${field}: entry ${ref.key} of Secret ${meta.namespace}/${ref.name} ${file}`,
    ));
    return undefined;
  };
  const credentialFile = find(
    "spec.credentialRef",
    credential,
    (text, data) =>
      HEADER_VALUE.test(text.replace(/\r?\n$/, ""))
        ? { name: `${meta.namespace}_${meta.name}_credential`, data }
        : "cannot be the value of Authorization: it is empty, or not one line of printable ASCII. Write it whole, such as: Bearer …",
  );
  const caFile = find(
    "spec.caCertSecretRef",
    caCert,
    (text, data) =>
      text.includes("-----BEGIN CERTIFICATE-----")
        ? { name: `ca_${sha256(text)}.pem`, data }
        : "has no certificate in it. Write a PEM bundle",
  );
  return {
    ...(credentialFile ? { credential: credentialFile } : {}),
    ...(caFile ? { caCert: caFile } : {}),
    obstacles,
  };
}

function lookUp(
  field: string,
  namespace: string,
  { name, key }: SecretKeyRef,
  { secrets, hiddenSecrets }: World,
): { readonly text: string; readonly data: string } | Obstacle {
  const own = `Secret ${namespace}/${name}`;
  if (hiddenSecrets.has(namespace)) {
    return obstacle(
      "SecretNotReadable",
      `Cannot use ${field}: the controller may not read Secrets of namespace ${namespace}. Bind the ClusterRole mcp-gateway-credentials there`,
    );
  }
  const secret = secrets.get(`${namespace}/${name}`);
  if (secret === undefined || secret.meta.deleting) {
    return obstacle(
      "SecretNotFound",
      `Cannot use ${field}: there is no ${own}. Create it in the registration's own namespace`,
    );
  }
  if (!isOffered(secret)) {
    return obstacle(
      "SecretNotLabelled",
      `Cannot use ${field}: ${own} is not meant for the gateway. Label it ${SECRET_LABEL}=true`,
    );
  }
  const data = secret.data.get(key);
  if (data === undefined) {
    return obstacle(
      "SecretKeyNotFound",
      `Cannot use ${field}: ${own} has no entry ${key}. Add it, or name another one`,
    );
  }
  return { text: secretText(secret, key) ?? "", data };
}

/** SHA-256 of a text, hexadecimal. */
export function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
