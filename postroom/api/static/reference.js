// The API reference: operations by tag, what they take and answer, and a try-out. Everything
// shown comes from /swagger.json.
import { badge, copyable, make } from "./page.js";
import { fieldsTable, parametersTable, resolve } from "./schema.js";
import { tryOut } from "./tryout.js";

const METHODS = ["get", "post", "put", "delete"];
const NARROW = window.matchMedia("(max-width: 60rem)");
const byId = (id) => document.getElementById(id);

const operationsOf = (api) =>
  Object.entries(api.paths).flatMap(([path, methods]) =>
    METHODS.filter((method) => methods[method]).map((method) => ({
      path, method: method.toUpperCase(), ...methods[method],
    })));

const pathText = (path) => path.split(/(\{[^}]+\})/).map((part) =>
  part.startsWith("{") ? make("span", { class: "variable" }, part) : part);

const accessText = (auth) => {
  const scopes = auth.token_scope.map((scope) => `"${scope}"`).join(" or ");
  const bound = auth.account_bound_token === true ? "" : " not bound to an account";
  const narrowed = auth.narrowed_token_may_hold
    ? `a token narrowed by permissions needs "${auth.action}" of "${auth.group}"`
    : "tokens narrowed by permissions are refused";
  return `Needs a token${bound} with the scope ${scopes}; ${narrowed}.`;
};

const answerOf = (api, [status, response]) => {
  const [kind, content] = Object.entries(response.content || {})[0] || ["", {}];
  const isGood = status.startsWith("2");
  const whole = resolve(api, content.schema);
  return make("details", { open: isGood && Boolean(whole.properties), class: "answer" },
    make("summary", {}, make("span", { class: `tag ${isGood ? "good" : "bad"}` }, status), ` ${response.description} `,
      make("small", {}, kind)),
    whole.properties ? fieldsTable(api, whole) : make("p", { class: "quiet" }, `The content itself (${kind}).`));
};

const documentation = (api, operation) => {
  const content = operation.requestBody && operation.requestBody.content["application/json"];
  const parts = [];
  if (operation.parameters.length) {
    parts.push(make("h3", {}, "Parameters"), parametersTable(api, operation.parameters));
  }
  if (content) parts.push(make("h3", {}, "Body"), fieldsTable(api, content.schema));
  parts.push(make("h3", {}, "Answers"), ...Object.entries(operation.responses).map((one) => answerOf(api, one)));
  return make("section", { class: "documentation" }, ...parts);
};

const show = (api, operation) => {
  byId("operation").replaceChildren(
    make("h2", {}, operation.summary),
    make("p", { class: "endpoint" }, badge(operation.method), make("code", {}, ...pathText(operation.path))),
    operation.deprecated ? make("p", { class: "notice" }, "An old name, kept for existing clients.") : "",
    make("p", { class: "lead" }, operation.description),
    make("p", { class: "quiet" }, accessText(operation["x-auth"])),
    make("div", { class: "columns" }, documentation(api, operation), tryOut(operation)));
  document.title = `${operation.summary} - Postroom`;
  byId("menu").open = !NARROW.matches;
};

const welcome = (api, operations) => {
  const groups = api.tags.map((tag) => make("section", { class: "card" }, make("h3", {}, tag.name),
    make("p", {}, tag.description || ""),
    make("ul", {}, ...operations.filter((one) => one.tags.includes(tag.name) && !one.deprecated).map((one) =>
      make("li", {}, make("a", { href: `#${one.operationId}` }, badge(one.method), make("span", {}, one.summary)))))));
  byId("operation").replaceChildren(make("h2", {}, "Read and send mail by HTTP"),
    make("p", { class: "lead" }, api.info.description),
    make("h3", {}, "1. Make a token on the server"),
    copyable('postroom tokens issue -d "my app" -s "*"', "Command"),
    make("h3", {}, "2. Type it at the top of this page, and try a call"),
    make("div", { class: "cards" }, ...groups),
    make("p", { class: "quiet" }, "For tools: ", make("a", { href: "/swagger.json" }, "the OpenAPI document"), "."));
  document.title = "API reference - Postroom";
};

const entryFor = (operation) =>
  make("li", {}, make("a", {
    href: `#${operation.operationId}`,
    "aria-current": location.hash === `#${operation.operationId}` ? "page" : undefined,
    title: operation.path,
  }, badge(operation.method),
  make("span", { class: operation.deprecated ? "deprecated" : undefined }, operation.summary)));

const list = (api, operations, filter) => {
  const words = filter.toLowerCase().split(/\s+/).filter(Boolean);
  const matches = operations.filter((one) => {
    const text = `${one.method} ${one.path} ${one.summary} ${one.tags}`.toLowerCase();
    return words.every((word) => text.includes(word));
  });
  const groups = api.tags.map((tag) => [tag.name, matches.filter((one) => one.tags.includes(tag.name))]);
  byId("operations").replaceChildren(
    ...groups.filter(([, ones]) => ones.length).flatMap(([name, ones]) => [
      make("h2", {}, name), make("ul", {}, ...ones.map(entryFor))]),
    matches.length ? "" : make("p", { class: "quiet" }, "Nothing has all these words."));
  byId("found").textContent = words.length ? `${matches.length} operations` : "";
};

// The arrow keys walk from the search field through the operations; Enter opens one.
const walk = (event) => {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!step) return;
  const stops = [byId("filter"), ...byId("operations").querySelectorAll("a")];
  const next = stops[stops.indexOf(document.activeElement) + step];
  if (next) {
    event.preventDefault();
    next.focus();
  }
};

const onSlash = (event) => {
  if (event.key !== "/" || event.target.closest("input, textarea, select")) return;
  event.preventDefault();
  byId("menu").open = true;
  byId("filter").focus();
};

const connectAccess = () => {
  const [token, reveal] = [byId("token"), byId("reveal")];
  byId("access").addEventListener("submit", (event) => event.preventDefault());
  reveal.addEventListener("click", () => {
    const isShown = token.type === "password";
    token.type = isShown ? "text" : "password";
    reveal.textContent = isShown ? "Hide" : "Show";
    reveal.setAttribute("aria-pressed", String(isShown));
  });
};

const start = async () => {
  const api = await (await fetch("/swagger.json")).json();
  const operations = operationsOf(api);
  const filter = byId("filter");
  const render = () => list(api, operations, filter.value);
  const choose = () => {
    const chosen = operations.find((one) => location.hash === `#${one.operationId}`);
    if (chosen) show(api, chosen);
    else welcome(api, operations);
    render();
  };
  byId("version").textContent = api.info.version;
  byId("menu").open = !NARROW.matches;
  connectAccess();
  filter.addEventListener("input", render);
  document.querySelector("nav").addEventListener("keydown", walk);
  document.addEventListener("keydown", onSlash);
  window.addEventListener("hashchange", () => {
    if (location.hash === "#operation") return;
    choose();
    // Focus would scroll the heading under the fixed header.
    byId("operation").focus({ preventScroll: true });
    window.scrollTo(0, 0);
  });
  choose();
};

start().catch((error) => {
  byId("operation").textContent = `The document did not load: ${error.message}`;
});
