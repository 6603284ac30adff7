"use strict";
// Shows /openapi.json. Everything is put in as text, so nothing in the document can become markup.
const TEXTS = {
  en: { other: "中文", filter: "Filter", query: "Parameters", body: "Body", answer: "Answer", name: "Name", type: "Type",
    about: "Meaning", schemas: "Schemas", needs: "Needs", required: "required", readOnly: "read-only", writeOnly: "never returned",
    failed: "The description could not be loaded." },
  zh: { other: "English", filter: "筛选", query: "参数", body: "请求内容", answer: "响应", name: "名称", type: "类型",
    about: "含义", schemas: "数据结构", needs: "所需权限", required: "必填", readOnly: "只读", writeOnly: "不返回",
    failed: "无法加载接口描述。" },
};
let language = (navigator.language || "en").startsWith("zh") ? "zh" : "en";
let api = null;

function element(tag, attributes, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) made.setAttribute(name, value);
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

/* Comments mark names with backticks. */
function prose(text) {
  return text.split("`").map((part, index) => (index % 2 ? element("code", {}, part) : part));
}

function resolved(node) {
  if (!node || !node.$ref) return node;
  return node.$ref.slice(2).split("/").reduce((at, key) => at[key], api);
}

function reference(name) {
  return element("a", { href: `#schema-${name}` }, name);
}

function typeOf(schema) {
  if (!schema) return "";
  if (schema.$ref) return reference(schema.$ref.split("/").pop());
  if (schema.allOf) return typeOf(schema.allOf[0]);
  if (schema.anyOf) {
    const span = element("span");
    schema.anyOf.forEach((one, index) => span.append(index ? " | " : "", typeOf(one)));
    return span;
  }
  if (schema.type === "array") return element("span", {}, typeOf(schema.items), "[]");
  if (schema.additionalProperties && schema.type === "object" && schema.additionalProperties !== true)
    return element("span", {}, "{string: ", typeOf(schema.additionalProperties), "}");
  const kind = Array.isArray(schema.type) ? schema.type.join(" | ") : schema.type || "";
  return schema.format ? `${kind} (${schema.format})` : kind;
}

function limits(schema) {
  if (!schema) return "";
  const found = [];
  for (const key of ["minLength", "maxLength", "minimum", "maximum", "minItems", "maxItems", "pattern"])
    if (schema[key] !== undefined) found.push(`${key} ${schema[key]}`);
  if (schema.enum) found.push(schema.enum.filter((value) => value).join(" · "));
  return found.join("; ");
}

function row(name, schema, about, marks) {
  const meaning = element("td", {}, about || "");
  const bounds = limits(schema);
  if (bounds) meaning.append(element("div", { class: "soft" }, element("code", {}, bounds)));
  const title = element("td", {}, element("code", {}, name));
  for (const mark of marks) title.append(element("div", { class: "soft" }, TEXTS[language][mark]));
  return element("tr", {}, title, element("td", {}, typeOf(schema)), meaning);
}

function table(rows) {
  const text = TEXTS[language];
  const head = element("tr", {}, ...[text.name, text.type, text.about].map((label) => element("th", {}, label)));
  return element("table", {}, head, ...rows);
}

function properties(schema) {
  const required = schema.required || [];
  return table(Object.entries(schema.properties || {}).map(([name, field]) => {
    const marks = ["readOnly", "writeOnly"].filter((mark) => field[mark]);
    if (required.includes(name)) marks.unshift("required");
    return row(name, field, field.description, marks);
  }));
}

function content(label, holder) {
  const parts = [element("h4", {}, label)];
  for (const [media, { schema }] of Object.entries((holder && holder.content) || {})) {
    parts.push(element("p", {}, element("code", {}, media), " ", typeOf(schema)));
    if (schema && schema.properties) parts.push(properties(schema));
  }
  return parts;
}

function operation(path, verb, details) {
  const text = TEXTS[language];
  const box = element("div");
  if (details["x-access"])
    box.append(element("p", { class: "soft" }, `${text.needs}: ${details["x-access"].verb} ${details["x-access"].resource}`));
  const parameters = (details.parameters || []).map(resolved);
  if (parameters.length)
    box.append(element("h4", {}, text.query), table(parameters.map((one) =>
      row(one.name, one.schema || one.content["application/json"].schema, one.description, one.required ? ["required"] : []))));
  if (details.requestBody) box.append(...content(text.body, details.requestBody));
  box.append(...content(text.answer, details.responses["200"]));
  return element("details", { id: details.operationId, "data-text": `${verb} ${path} ${details.summary}`.toLowerCase() },
    element("summary", {}, element("span", { class: `verb ${verb}` }, verb.toUpperCase()), element("code", {}, path),
      element("span", { class: "soft" }, details.summary)), box);
}

function render() {
  const text = TEXTS[language];
  document.documentElement.lang = language;
  document.getElementById("language").textContent = text.other;
  document.getElementById("filter").placeholder = text.filter;
  const page = document.getElementById("page");
  const contents = document.getElementById("contents");
  page.replaceChildren(element("p", {}, ...prose(api.info.description)));
  contents.replaceChildren();
  for (const tag of api.tags) {
    page.append(element("h2", { id: `tag-${tag.name}` }, tag.name));
    contents.append(element("h2", {}, element("a", { href: `#tag-${tag.name}` }, tag.name)));
    for (const [path, verbs] of Object.entries(api.paths))
      for (const [verb, details] of Object.entries(verbs)) {
        if (!details.tags.includes(tag.name)) continue;
        page.append(operation(path, verb, details));
        contents.append(element("a", { href: `#${details.operationId}` }, details.summary));
      }
  }
  page.append(element("h2", { id: "schemas" }, text.schemas));
  for (const [name, schema] of Object.entries(api.components.schemas))
    page.append(element("details", { id: `schema-${name}`, "data-text": name.toLowerCase() },
      element("summary", {}, element("code", {}, name), element("span", { class: "soft" }, schema.description || "")),
      element("div", {}, properties(schema))));
  reveal();
}

function reveal() {
  const target = location.hash && document.getElementById(location.hash.slice(1));
  if (!target) return;
  if (target.tagName === "DETAILS") target.open = true;
  target.scrollIntoView();
}

document.getElementById("language").addEventListener("click", () => {
  language = language === "zh" ? "en" : "zh";
  render();
});
document.getElementById("filter").addEventListener("input", (event) => {
  const wanted = event.target.value.trim().toLowerCase();
  for (const box of document.querySelectorAll("details")) box.hidden = !box.dataset.text.includes(wanted);
});
window.addEventListener("hashchange", reveal);
fetch("/openapi.json").then((answer) => answer.json()).then((found) => { api = found; render(); })
  .catch(() => { document.getElementById("page").textContent = TEXTS[language].failed; });
