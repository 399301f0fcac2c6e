// GraphiQL on this origin: one headers tab feeds both HTTP and the WebSocket's connection_init.
"use strict";

const mount = document.getElementById("graphiql");

// The name by which GraphiQL's dialogs look for the nonce of the one <style> that they add.
window.__webpack_nonce__ = mount.dataset.nonce;

const httpUrl = window.location.origin + window.location.pathname;
const socketUrl = httpUrl.replace(/^http/, "ws");

async function overHttp(parameters, headers) {
  const response = await fetch(httpUrl, {
    method: "POST",
    // No cookie ever speaks for a person here.
    credentials: "omit",
    headers: {
      accept: "application/graphql-response+json, application/json;q=0.9",
      "content-type": "application/json",
      ...headers,
    },
    body: JSON.stringify(parameters),
  });
  return response.json();
}

// A socket says who it is once, when it opens: other headers need another socket.
let socket = null;
let socketHeaders = null;

function socketFor(headers) {
  const text = JSON.stringify(headers);
  if (socket === null || socketHeaders !== text) {
    socket?.dispose();
    socketHeaders = text;
    socket = graphqlWs.createClient({ url: socketUrl, connectionParams: headers, shouldRetry });
  }
  return socket;
}

// An outage passes; a refused or expired token (4403) does not.
function shouldRetry(event) {
  return event?.code !== 4403;
}

function overSocket(parameters, headers) {
  return {
    subscribe(observer) {
      const unsubscribe = socketFor(headers).subscribe(parameters, {
        next: (result) => observer.next(result),
        error: (problem) => observer.error(asError(problem)),
        complete: () => observer.complete(),
      });
      return { unsubscribe };
    },
  };
}

// GraphiQL prints an Error with its stack, and an Event as {}.
function asError(problem) {
  if (problem instanceof CloseEvent) {
    return { message: `The server closed the socket: ${problem.code} ${problem.reason}` };
  }
  return problem instanceof Error || problem instanceof Event
    ? { message: problem.message ?? "The WebSocket could not be opened." }
    : problem;
}

function isSubscription(parameters, document) {
  const operations = (document?.definitions ?? []).filter((node) => node.kind === "OperationDefinition");
  const chosen = operations.find((node) => node.name?.value === parameters.operationName) ?? operations[0];
  return chosen?.operation === "subscription";
}

function fetcher(parameters, { headers = {}, documentAST } = {}) {
  return isSubscription(parameters, documentAST) ? overSocket(parameters, headers) : overHttp(parameters, headers);
}

// GraphiQL's history keeps headers whatever its settings say, and a token must not outlive the tab.
function withoutHeaders(text) {
  try {
    return JSON.stringify(JSON.parse(text, (name, value) => (name === "headers" ? undefined : value)));
  } catch {
    return text; // a query, not JSON
  }
}

const storage = {
  getItem: (key) => localStorage.getItem(key),
  setItem: (key, text) => localStorage.setItem(key, withoutHeaders(text)),
  removeItem: (key) => localStorage.removeItem(key),
  clear: () => localStorage.clear(),
  get length() {
    return localStorage.length;
  },
};

ReactDOM.createRoot(mount).render(
  React.createElement(GraphiQL, {
    fetcher,
    plugins: [GraphiQLPluginExplorer.explorerPlugin()],
    defaultQuery: mount.dataset.firstQuery,
    defaultEditorToolsVisibility: "headers",
    isHeadersEditorEnabled: true,
    storage,
    shouldPersistHeaders: false,
    showPersistHeadersSettings: false,
    inputValueDeprecation: true,
  }),
);
