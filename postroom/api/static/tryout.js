// The form that makes one request, and the view of its answer.
import { copyable, make } from "./page.js";

// An answer longer than this is cut on the page; the browser stays responsive.
const MAX_SHOWN = 200000;
// What was typed, by parameter: the next operation begins with the same account.
const typed = new Map();

const shellQuoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

const curlOf = (request) => {
  const parts = [request.method === "GET" ? "curl -s" : `curl -s -X ${request.method}`];
  parts.push(`-H "Authorization: Bearer $token"`);
  for (const [name, value] of request.extraHeaders) parts.push(`-H ${shellQuoted(`${name}: ${value}`)}`);
  if (request.body !== undefined) {
    parts.push(`-H 'Content-Type: application/json'`, `-d ${shellQuoted(request.body)}`);
  }
  return [...parts, shellQuoted(request.url)].join(" \\\n  ");
};

const inputFor = (parameter) => {
  const schema = parameter.schema;
  const id = `parameter-${parameter.name}`;
  const choices = schema.type === "boolean" ? [true, false] : schema.enum;
  const shared = { id, name: parameter.name, "data-in": parameter.in, required: parameter.required };
  const input = choices
    ? make("select", shared, make("option", { value: "" }, "-"),
        ...choices.map((one) => make("option", { value: String(one) }, String(one))))
    : make("input", { ...shared, spellcheck: "false", autocomplete: "off",
        placeholder: schema.default === undefined || schema.default === null ? "" : String(schema.default) });
  if (parameter.in === "path" || parameter.required) {
    input.value = typed.get(parameter.name) || "";
    input.addEventListener("input", () => typed.set(parameter.name, input.value));
  }
  return make("div", { class: "field" },
    make("label", { for: id }, parameter.name, parameter.required ? make("span", { class: "required" }, " *") : undefined),
    input);
};

const requestOf = (operation, form) => {
  const values = [...form.querySelectorAll("[data-in]")].filter((input) => input.value !== "");
  const valuesIn = (place) => values.filter((input) => input.dataset.in === place);
  let path = operation.path;
  for (const input of valuesIn("path")) {
    path = path.replace(`{${input.name}}`, encodeURIComponent(input.value));
  }
  const query = new URLSearchParams(valuesIn("query").map((input) => [input.name, input.value])).toString();
  const text = form.querySelector("textarea");
  return {
    method: operation.method,
    url: `${location.origin}${path}${query ? `?${query}` : ""}`,
    extraHeaders: valuesIn("header").map((input) => [input.name, input.value]),
    body: text ? text.value : undefined,
  };
};

const sizeText = (bytes) => (bytes < 10000 ? `${bytes} bytes` : `${Math.round(bytes / 1024)} KB`);

const saveLink = (blob, response) => {
  const given = /filename="([^"]+)"/.exec(response.headers.get("content-disposition") || "");
  const name = given ? given[1] : "answer";
  return make("a", { href: URL.createObjectURL(blob), download: name }, `Save as ${name}`);
};

// Strings, numbers, words and keys of a JSON text, each in a span of its own.
const TOKENS = /("(?:\\.|[^"\\])*")(\s*:)?|(-?\d[\d.eE+-]*)|\b(true|false|null)\b/g;

const coloured = (text) => {
  const pieces = [];
  let done = 0;
  for (const match of text.matchAll(TOKENS)) {
    const [whole, string, colon, number] = match;
    const kind = string ? (colon ? "key" : "string") : number ? "number" : "word";
    pieces.push(text.slice(done, match.index), make("span", { class: `json-${kind}` }, string || whole), colon || "");
    done = match.index + whole.length;
  }
  return [...pieces, text.slice(done)];
};

const viewOf = async (blob, type) => {
  if (!/json|text|rfc822/.test(type)) return [`${type || "no content type"}, ${sizeText(blob.size)}`];
  const raw = await blob.text();
  if (raw.length > MAX_SHOWN) return [`${raw.slice(0, MAX_SHOWN)}\n... cut, ${sizeText(blob.size)} in all`];
  if (!type.includes("json")) return [raw];
  try {
    return coloured(JSON.stringify(JSON.parse(raw), null, 2));
  } catch {
    return [raw];
  }
};

const send = async (operation, form, outcome) => {
  const token = document.getElementById("token").value.trim();
  const request = requestOf(operation, form);
  const headers = new Headers(request.extraHeaders);
  if (token) headers.set("Authorization", `Bearer ${token}`);
  if (request.body !== undefined) headers.set("Content-Type", "application/json");
  const button = form.querySelector("button.send");
  const status = make("span", { class: "tag" }, "waiting");
  const facts = make("span", { class: "quiet" });
  const answer = make("pre", { tabindex: "0", "aria-label": "Answer" });
  outcome.replaceChildren(make("h3", {}, "Answer"), make("p", { role: "status" }, status, " ", facts), answer,
    make("h3", {}, "The same in a terminal"), copyable(curlOf(request), "Command"));
  button.disabled = true;
  const begun = performance.now();
  try {
    const response = await fetch(request.url, { method: request.method, headers, body: request.body });
    const blob = await response.blob();
    const type = response.headers.get("content-type") || "";
    status.textContent = `${response.status} ${response.statusText}`;
    status.className = `tag ${response.ok ? "good" : "bad"}`;
    facts.append(`${Math.round(performance.now() - begun)} ms, ${sizeText(blob.size)} `);
    if (response.ok && !type.includes("json")) facts.append(saveLink(blob, response));
    if (response.status === 401 && !token) facts.append("Type an access token at the top of the page.");
    answer.replaceChildren(...await viewOf(blob, type));
  } catch (error) {
    status.textContent = "no answer";
    status.className = "tag bad";
    facts.textContent = error.message;
  } finally {
    button.disabled = false;
  }
};

// What to write into the body at first: the example of the document.
const bodyField = (content) => {
  const text = make("textarea", { id: "body", spellcheck: "false", rows: "10" });
  text.value = JSON.stringify(content.example || {}, null, 2);
  text.rows = Math.min(24, Math.max(6, text.value.split("\n").length + 1));
  return make("div", { class: "field" }, make("label", { for: "body" }, "Body (JSON)"), text);
};

const formFields = (parameters) => {
  const first = parameters.filter((one) => one.required);
  const rest = parameters.filter((one) => !one.required);
  const optional = rest.length
    ? make("details", {}, make("summary", {}, `Optional parameters (${rest.length})`), ...rest.map(inputFor))
    : undefined;
  return [...first.map(inputFor), optional];
};

export const tryOut = (operation) => {
  const outcome = make("section", { "aria-live": "polite", class: "outcome" });
  const content = operation.requestBody && operation.requestBody.content["application/json"];
  const form = make("form", {
    onsubmit: (event) => {
      event.preventDefault();
      send(operation, form, outcome);
    },
    onkeydown: (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
    },
  }, ...formFields(operation.parameters).filter(Boolean), content ? bodyField(content) : "",
  make("button", { type: "submit", class: "send", title: "Ctrl+Enter" }, "Send"));
  return make("section", { class: "tryout" }, make("h3", {}, "Try it"), form, outcome);
};
