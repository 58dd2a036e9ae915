//! What a script finds beside the language: `row`, a silent `console`, and `fetch` when allowed.

/// Takes the row as JSON and the native function that sends a request (or `undefined`); answers the
/// functions the engine holds on to.
///
/// `finish` calls a function with the row and waits for whatever it answers. A row also carries
/// itself under the name `row` (hidden, unless a column has that name), so `({ row }) => …` works.
pub(crate) const PRELUDE: &str = r"
((text, send) => {
  const row = JSON.parse(text);
  if (!('row' in row)) Object.defineProperty(row, 'row', { value: row, writable: true, configurable: true });
  const { isSafeInteger } = Number;
  Object.defineProperty(BigInt.prototype, 'toJSON', {
    value() { const n = Number(this); return isSafeInteger(n) ? n : this.toString(); },
    writable: true, configurable: true,
  });
  const quiet = () => {};
  globalThis.row = row;
  globalThis.console = { log: quiet, info: quiet, warn: quiet, error: quiet, debug: quiet, trace: quiet };
  const waiting = new Map();
  if (send) {
    let next = 1;
    globalThis.fetch = (input, options = {}) => new Promise((resolve, reject) => {
      const headers = {};
      for (const [name, value] of Object.entries(options.headers ?? {})) headers[name.toLowerCase()] = String(value);
      const body = options.body == null ? null : String(options.body);
      const url = String(input?.url ?? input), method = String(options.method ?? 'GET').toUpperCase();
      waiting.set(next, { resolve, reject });
      send(next, JSON.stringify({ url, method, headers, body }));
      next += 1;
    });
  }
  const settle = (id, ok, text) => {
    const { resolve, reject } = waiting.get(id);
    waiting.delete(id);
    if (!ok) return reject(new TypeError(text));
    const { status, url, headers, body } = JSON.parse(text);
    const get = (name) => headers[String(name).toLowerCase()] ?? null;
    resolve({
      status, url, ok: status >= 200 && status < 300, headers: { get, has: (name) => get(name) !== null },
      text: async () => body, json: async () => JSON.parse(body),
    });
  };
  const finish = async (value) => (typeof value === 'function' ? value(row) : value);
  const method = (object) => Object.values(object).find((value) => typeof value === 'function');
  return { settle, finish, method };
})
";
