// The program behind the page: app/host/bridge.h says what a request and an answer look like.

let lastId = 0;

// Resolves to the method's result. Rejects with an Error whose `code` is the bridge's.
export async function call(method, params = {}) {
  const id = ++lastId;
  const answer = JSON.parse(await window.webkit.messageHandlers.mlxr.postMessage(JSON.stringify({ id, method, params })));
  if (answer.error) throw Object.assign(new Error(answer.error.message), { code: answer.error.code });
  return answer.result;
}

// The body of one GET to mlxrunnerd. Rejects where it answers with an error.
export async function get(path) {
  const { status, body } = await call("daemon.request", { method: "GET", path });
  if (status >= 400) throw new Error(body?.error?.message ?? body?.error ?? `mlxrunnerd answered with HTTP status ${status}.`);
  return body;
}
