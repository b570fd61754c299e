// SSH keys made in the browser. The private key never leaves it, except as the file that its owner downloads.
// It must be extractable for that download; it is kept in IndexedDB, which only this site's pages can read.

const DATABASE = "cloudapp";
const STORE = "keys";
const CURRENT = "current";

const text = new TextEncoder();

/** Bytes joined. */
const join = (...parts) => {
  const all = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) { all.set(part, at); at += part.length; }
  return all;
};
const uint32 = (number) => new Uint8Array([number >>> 24, number >>> 16, number >>> 8, number]);
/** An SSH string (RFC 4251, 5): its length, then its bytes. */
const string = (value) => {
  const bytes = typeof value === "string" ? text.encode(value) : value;
  return join(uint32(bytes.length), bytes);
};
/** An SSH mpint of an unsigned number: no leading zeros, a zero byte before a high bit. */
const mpint = (bytes) => {
  let start = 0;
  while (start < bytes.length - 1 && bytes[start] === 0) start += 1;
  const trimmed = bytes.slice(start);
  return string(trimmed[0] & 0x80 ? join(new Uint8Array([0]), trimmed) : trimmed);
};
const base64 = (bytes) => btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
const fromBase64 = (value) => Uint8Array.from(atob(value), (letter) => letter.charCodeAt(0));
const fromBase64Url = (value) => fromBase64(value.replaceAll("-", "+").replaceAll("_", "/"));

/** The public half as SSH writes it: its type, its fields. */
const publicFields = (jwk) => {
  if (jwk.kty === "OKP") return { type: "ssh-ed25519", fields: [string(fromBase64Url(jwk.x))] };
  const point = join(new Uint8Array([4]), fromBase64Url(jwk.x), fromBase64Url(jwk.y));
  return { type: "ecdsa-sha2-nistp256", fields: [string("nistp256"), string(point)] };
};
const publicBlob = (jwk) => {
  const { type, fields } = publicFields(jwk);
  return join(string(type), ...fields);
};

/** The line for the form: `ssh-ed25519 AAAA… comment`. */
const publicLine = (jwk) => `${publicFields(jwk).type} ${base64(publicBlob(jwk))} cloudapp-browser`;

/** The private key as `openssh-key-v1`, unencrypted (OpenSSH, PROTOCOL.key): old versions of OpenSSH read no PKCS#8 Ed25519. */
const privateFile = (jwk) => {
  const { type, fields } = publicFields(jwk);
  const check = crypto.getRandomValues(new Uint8Array(4));
  const secret = jwk.kty === "OKP"
    ? string(join(fromBase64Url(jwk.d), fromBase64Url(jwk.x)))
    : mpint(fromBase64Url(jwk.d));
  let body = join(check, check, string(type), ...fields, secret, string("cloudapp-browser"));
  const padding = (8 - (body.length % 8)) % 8;
  body = join(body, Uint8Array.from({ length: padding }, (_, index) => index + 1));
  const file = join(
    text.encode("openssh-key-v1\0"), string("none"), string("none"), string(""), uint32(1),
    string(publicBlob(jwk)), string(body),
  );
  const lines = base64(file).match(/.{1,70}/g).join("\n");
  return `-----BEGIN OPENSSH PRIVATE KEY-----\n${lines}\n-----END OPENSSH PRIVATE KEY-----\n`;
};

const open = () => new Promise((resolve, reject) => {
  const request = indexedDB.open(DATABASE, 1);
  request.onupgradeneeded = () => request.result.createObjectStore(STORE);
  request.onsuccess = () => resolve(request.result);
  request.onerror = () => reject(request.error);
});
const inStore = async (mode, use) => {
  const database = await open();
  try {
    return await new Promise((resolve, reject) => {
      const transaction = database.transaction(STORE, mode);
      const request = use(transaction.objectStore(STORE));
      transaction.oncomplete = () => resolve(request.result);
      transaction.onabort = transaction.onerror = () => reject(transaction.error);
    });
  } finally {
    database.close();
  }
};

/** This browser's key, if it has one. */
export const load = async () => {
  const key = await inStore("readonly", (store) => store.get(CURRENT));
  return key ? crypto.subtle.exportKey("jwk", key) : null;
};

/** This browser's key, made now if it has none. Ed25519; ECDSA P-256 where the browser cannot. */
export const loadOrMake = async () => {
  const known = await load();
  if (known) return known;
  let pair;
  try {
    pair = await crypto.subtle.generateKey({ name: "Ed25519" }, true, ["sign", "verify"]);
  } catch {
    pair = await crypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, true, ["sign", "verify"]);
  }
  await inStore("readwrite", (store) => store.put(pair.privateKey, CURRENT));
  return crypto.subtle.exportKey("jwk", pair.privateKey);
};

/** Forgets this browser's key. */
export const forget = () => inStore("readwrite", (store) => store.delete(CURRENT));

/** Whether keys can be made here: only in a secure context. */
export const supported = () => Boolean(globalThis.crypto?.subtle && globalThis.indexedDB);

/** `SHA256:…`, as `ssh-keygen -l` shows it. */
export const fingerprint = async (jwk) => {
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", publicBlob(jwk)));
  return `${publicFields(jwk).type} SHA256:${base64(hash).replace(/=+$/, "")}`;
};

/** Whether an SSH certificate (one line) was issued for this key: it holds the key's fields after its nonce. */
export const matches = (jwk, certificate) => {
  try {
    const blob = fromBase64(certificate.trim().split(/\s+/)[1]);
    let at = 0;
    const skip = () => { at += 4 + new DataView(blob.buffer).getUint32(at); };
    skip();
    skip();
    const fields = join(...publicFields(jwk).fields);
    return fields.every((byte, index) => blob[at + index] === byte);
  } catch {
    return false;
  }
};

/** Hands a file to the person. */
export const save = (name, content) => {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([content], { type: "application/octet-stream" }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
};

export { privateFile, publicLine };
