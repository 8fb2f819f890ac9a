"use strict";
// The API reference: operations by tag, their input, a try-out. Everything shown comes from
// /swagger.json; text is set as text, never as HTML, so no description can become markup.

const METHODS = ["get", "post", "put", "delete"];
// An answer longer than this is cut on the page; the browser stays responsive.
const MAX_SHOWN = 200000;

const make = (name, attributes = {}, ...children) => {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "onclick" || key === "oninput" || key === "onsubmit") {
      element.addEventListener(key.slice(2), value);
    } else if (value === true) {
      element.setAttribute(key, "");
    } else if (value !== false && value !== undefined) {
      element.setAttribute(key, value);
    }
  }
  element.append(...children);
  return element;
};

const resolve = (api, schema) =>
  schema && schema.$ref ? api.components.schemas[schema.$ref.split("/").pop()] : schema || {};

const typeName = (api, schema) => {
  if (schema.anyOf) return schema.anyOf.map((one) => typeName(api, one)).join(" or ");
  if (schema.$ref) return schema.$ref.split("/").pop();
  if (schema.enum) return schema.enum.map((one) => JSON.stringify(one)).join(" | ");
  if (schema.type === "array") return `list of ${typeName(api, schema.items || {})}`;
  return schema.format ? `${schema.type}, ${schema.format}` : schema.type || "any";
};

const operationsOf = (api) =>
  Object.entries(api.paths).flatMap(([path, methods]) =>
    METHODS.filter((method) => methods[method]).map((method) => ({
      path, method: method.toUpperCase(), ...methods[method],
    })));

const shellQuoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

const curlOf = (request) => {
  const parts = [`curl -X ${request.method}`, shellQuoted(request.url)];
  if (request.hasToken) parts.push(`-H "Authorization: Bearer $TOKEN"`);
  for (const [name, value] of request.extraHeaders) parts.push(`-H ${shellQuoted(`${name}: ${value}`)}`);
  if (request.body !== undefined) {
    parts.push(`-H 'Content-Type: application/json'`, `-d ${shellQuoted(request.body)}`);
  }
  return parts.join(" \\\n  ");
};

const inputFor = (parameter) => {
  const schema = parameter.schema;
  const id = `parameter-${parameter.name}`;
  const choices = schema.type === "boolean" ? [true, false] : schema.enum;
  const shared = { id, class: "value", name: parameter.name, "data-in": parameter.in,
    required: parameter.required, "aria-describedby": `${id}-note` };
  const input = choices
    ? make("select", shared, make("option", { value: "" }, "-"),
        ...choices.map((one) => make("option", { value: String(one) }, String(one))))
    : make("input", { ...shared, spellcheck: "false",
        placeholder: schema.default === undefined ? "" : String(schema.default) });
  return make("div", { class: "field" },
    make("label", { for: id }, parameter.name + (parameter.required ? " *" : "")), input,
    make("small", { id: `${id}-note` }, `${parameter.description} (${parameter.in})`));
};

const bodyFields = (api, schema) => {
  const whole = resolve(api, schema);
  const required = new Set(whole.required || []);
  const rows = Object.entries(whole.properties || {}).map(([name, field]) =>
    make("tr", {}, make("th", { scope: "row" }, make("code", {}, name + (required.has(name) ? " *" : ""))),
      make("td", {}, typeName(api, field)), make("td", {}, field.description || "")));
  return make("details", {}, make("summary", {}, "Fields"),
    make("table", {}, make("thead", {}, make("tr", {},
      ...["Field", "Type", "Meaning"].map((head) => make("th", { scope: "col" }, head)))),
      make("tbody", {}, ...rows)));
};

const requestOf = (operation, form, token) => {
  const values = [...form.querySelectorAll("[data-in]")].filter((input) => input.value !== "");
  const valuesIn = (place) => values.filter((input) => input.dataset.in === place);
  let path = operation.path;
  for (const input of valuesIn("path")) {
    path = path.replace(`{${input.name}}`, encodeURIComponent(input.value));
  }
  const query = new URLSearchParams(valuesIn("query").map((input) => [input.name, input.value]));
  const text = form.querySelector("textarea");
  return {
    method: operation.method,
    url: `${location.origin}${path}${query.size ? `?${query}` : ""}`,
    hasToken: Boolean(token),
    extraHeaders: valuesIn("header").map((input) => [input.name, input.value]),
    body: text ? text.value : undefined,
  };
};

const shown = async (response) => {
  const type = response.headers.get("content-type") || "";
  if (!/json|text|rfc822/.test(type)) return `${type}, ${(await response.blob()).size} bytes`;
  const text = await response.text();
  if (text.length > MAX_SHOWN) return `${text.slice(0, MAX_SHOWN)}\n... cut`;
  try {
    return type.includes("json") ? JSON.stringify(JSON.parse(text), null, 2) : text;
  } catch {
    return text;
  }
};

const send = async (operation, form, outcome) => {
  const token = document.getElementById("token").value.trim();
  const request = requestOf(operation, form, token);
  const headers = new Headers(request.extraHeaders);
  if (token) headers.set("Authorization", `Bearer ${token}`);
  if (request.body !== undefined) headers.set("Content-Type", "application/json");
  const button = form.querySelector("button.send");
  const status = make("p", { role: "status" }, "Waiting ...");
  const answer = make("pre", { tabindex: "0", "aria-label": "Answer" });
  outcome.replaceChildren(make("h3", {}, "Command"), make("pre", { tabindex: "0" }, curlOf(request)),
    make("h3", {}, "Answer"), status, answer);
  button.disabled = true;
  try {
    const response = await fetch(request.url, { method: request.method, headers, body: request.body });
    answer.textContent = await shown(response);
    status.textContent = `${response.status} ${response.statusText}`;
    status.className = response.ok ? "good" : "bad";
  } catch (error) {
    status.textContent = `No answer: ${error.message}`;
    status.className = "bad";
  } finally {
    button.disabled = false;
  }
};

const show = (api, operation) => {
  const outcome = make("section", { "aria-live": "polite" });
  const content = operation.requestBody && operation.requestBody.content["application/json"];
  const form = make("form", { onsubmit: (event) => {
    event.preventDefault();
    send(operation, form, outcome);
  } });
  if (operation.parameters.length) {
    form.append(make("fieldset", {}, make("legend", {}, "Parameters"), ...operation.parameters.map(inputFor)));
  }
  if (content) {
    const text = make("textarea", { id: "body", spellcheck: "false" });
    text.value = JSON.stringify(content.example || {}, null, 2);
    form.append(make("fieldset", {}, make("legend", {}, make("label", { for: "body" }, "Body (JSON)")),
      text, bodyFields(api, content.schema)));
  }
  form.append(make("button", { type: "submit", class: "send" }, "Send"));
  const main = document.getElementById("operation");
  main.replaceChildren(make("h2", {}, operation.summary),
    make("p", {}, make("span", { class: "method" }, operation.method), " ", make("code", {}, operation.path)),
    make("p", {}, operation.description), form, outcome);
  document.title = `${operation.summary} - Postroom`;
  main.focus();
};

const list = (api, operations, filter) => {
  const wanted = filter.trim().toLowerCase();
  const matches = operations.filter((one) =>
    `${one.method} ${one.path} ${one.summary}`.toLowerCase().includes(wanted));
  const groups = api.tags.map((tag) => [tag.name, matches.filter((one) => one.tags.includes(tag.name))]);
  document.getElementById("operations").replaceChildren(
    ...groups.filter(([, ones]) => ones.length).flatMap(([name, ones]) => [
      make("h2", {}, name),
      make("ul", {}, ...ones.map((one) => make("li", {}, entryFor(one)))),
    ]));
};

const entryFor = (operation) =>
  make("button", {
    type: "button",
    "aria-current": location.hash === `#${operation.operationId}` ? "true" : undefined,
    onclick: () => { location.hash = operation.operationId; },
  }, make("span", { class: "method" }, operation.method),
  make("span", { class: operation.deprecated ? "deprecated" : undefined }, operation.summary));

const start = async () => {
  const response = await fetch("/swagger.json");
  const api = await response.json();
  const operations = operationsOf(api);
  const filter = document.getElementById("filter");
  const render = () => list(api, operations, filter.value);
  const choose = () => {
    const chosen = operations.find((one) => location.hash === `#${one.operationId}`);
    if (chosen) show(api, chosen);
    render();
  };
  document.getElementById("access").addEventListener("submit", (event) => event.preventDefault());
  filter.addEventListener("input", render);
  window.addEventListener("hashchange", choose);
  choose();
};

start().catch((error) => {
  document.getElementById("operation").textContent = `The document did not load: ${error.message}`;
});
