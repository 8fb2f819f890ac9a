// JSON Schema as tables a person reads: name, type, limits, meaning; inner objects unfold.
import { make } from "./page.js";

// Schemas may name themselves; past this depth only the name is shown.
const MAX_DEPTH = 5;

const nameOf = (schema) => schema.$ref && schema.$ref.split("/").pop();

export const resolve = (api, schema) =>
  schema && schema.$ref ? api.components.schemas[nameOf(schema)] : schema || {};

// The object inside a field, be it direct, in a list, or one of several kinds.
const innerOf = (api, schema) => {
  const candidates = [schema, schema.items, ...(schema.anyOf || [])].filter(Boolean);
  for (const candidate of candidates) {
    const whole = resolve(api, candidate);
    if (whole.properties && Object.keys(whole.properties).length) return whole;
    if (candidate !== schema && candidate.items) return innerOf(api, candidate);
  }
  return undefined;
};

export const typeName = (api, schema) => {
  if (schema.anyOf) return schema.anyOf.map((one) => typeName(api, one)).join(" or ");
  const whole = resolve(api, schema);
  if (whole.enum) return whole.enum.length > 1 ? `${whole.type || "value"}, one of` : JSON.stringify(whole.enum[0]);
  if (schema.$ref) return "object";
  if (schema.type === "array") return `list of ${typeName(api, schema.items || {})}`;
  if (Array.isArray(schema.type)) return schema.type.join(" or ");
  return schema.format ? `${schema.type}, ${schema.format}` : schema.type || "any";
};

const rangeOf = (schema, least, most, unit) => {
  const [low, high] = [schema[least], schema[most]];
  if (low !== undefined && high !== undefined) return `${low} to ${high}${unit}`;
  if (high !== undefined) return `at most ${high}${unit}`;
  return low ? `at least ${low}${unit}` : undefined;
};

const limitsOf = (api, schema) => {
  const whole = resolve(api, schema);
  const listed = whole.items ? resolve(api, whole.items).enum : undefined;
  const offered = (whole.anyOf || []).flatMap((one) => resolve(api, one).enum || []);
  const words = whole.enum || listed || (offered.length > 1 ? offered : []);
  return [
    words.length > 1 ? words.map((word) => JSON.stringify(word)).join(" ") : undefined,
    rangeOf(whole, "minimum", "maximum", ""),
    rangeOf(whole, "minLength", "maxLength", " characters"),
    rangeOf(whole, "minItems", "maxItems", " entries"),
    whole.default !== undefined && whole.default !== null ? `default ${JSON.stringify(whole.default)}` : undefined,
  ].filter(Boolean);
};

const rowOf = (api, name, field, isRequired, depth, place) => {
  const inner = depth < MAX_DEPTH ? innerOf(api, field) : undefined;
  return make("tr", {},
    make("th", { scope: "row" }, make("code", {}, name),
      isRequired ? make("small", { class: "required" }, "required") : undefined,
      place ? make("small", {}, place) : undefined),
    make("td", {}, make("span", { class: "type" }, typeName(api, field)),
      field.description ? make("p", {}, field.description) : undefined,
      ...limitsOf(api, field).map((limit) => make("small", { class: "limit" }, limit)),
      inner ? unfolding(api, inner, depth + 1) : undefined));
};

// The inner table is made when it is opened: a schema with everything unfolded is long.
const unfolding = (api, schema, depth) => {
  const details = make("details", { ontoggle: () => {
    if (details.open && details.children.length === 1) details.append(fieldsTable(api, schema, depth));
  } }, make("summary", {}, `${Object.keys(schema.properties).length} fields`));
  return details;
};

export const fieldsTable = (api, schema, depth = 0) => {
  const whole = resolve(api, schema);
  const required = new Set(whole.required || []);
  const rows = Object.entries(whole.properties || {}).map(([name, field]) =>
    rowOf(api, name, field, required.has(name), depth));
  return rows.length ? table("Field", rows) : make("p", { class: "quiet" }, "No fields.");
};

export const parametersTable = (api, parameters) =>
  table("Name", parameters.map((one) =>
    rowOf(api, one.name, { description: one.description, ...one.schema }, one.required, 0, one.in)));

const table = (head, rows) =>
  make("table", {}, make("thead", {}, make("tr", {},
    make("th", { scope: "col" }, head), make("th", { scope: "col" }, "Meaning"))), make("tbody", {}, ...rows));
