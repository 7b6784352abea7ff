  let schemas = {};
  const resolved = schema => schema.$ref ? schemas[schema.$ref.split("/").pop()] : schema;

  // A schema in words: "list of text", "number or null".
  function words(schema) {
    schema = resolved(schema);
    if (schema.anyOf) return [...new Set(schema.anyOf.map(words))].join(" or ");
    if (schema.const !== undefined) return JSON.stringify(schema.const);
    if (schema.enum) return schema.enum.map(value => JSON.stringify(value)).join(" or ");
    if (schema.type === "array") return `list of ${words(schema.items ?? {})}`;
    if (schema.type === "object" && schema.additionalProperties) return `${words(schema.additionalProperties)} by name`;
    return {string: "text", integer: "whole number", object: schema.title ?? "entries"}[schema.type] ?? schema.type ?? "anything";
  }

  // The limits of a schema, and of what its lists hold.
  function limits(schema) {
    schema = resolved(schema);
    if (schema.anyOf) return [...new Set(schema.anyOf.flatMap(limits))];
    const names = {
      minItems: "# or more", maxItems: "# at most", maxLength: "# characters at most", minimum: "# or more",
      exclusiveMinimum: "above #", exclusiveMaximum: "below #",
    };
    const own = Object.entries(names).filter(([name]) => name in schema).map(([name, line]) => line.replace("#", schema[name]));
    return schema.items ? [...own, ...limits(schema.items)] : own;
  }

  // The fields of an object, and below them those of objects inside.
  function fields(schema, prefix = "", rows = []) {
    schema = resolved(schema);
    for (const [name, field] of Object.entries(schema.properties ?? {})) {
      const needed = (schema.required ?? []).includes(name) ? "" : ", may be left out";
      const about = [field.description, ...limits(field)].filter(Boolean).join("; ");
      rows.push([prefix + name, words(field) + needed, about]);
      const inner = inside(field);
      if (inner) fields(inner.schema, `${prefix}${name}${inner.mark}`, rows);
    }
    return rows;
  }

  // The object that a list, or a map of names, holds in the end.
  function inside(schema, mark = "") {
    schema = resolved(schema);
    if (schema.properties) return {schema, mark: `${mark}.`};
    const next = schema.items ? [schema.items, "[]"] : typeof schema.additionalProperties === "object" ? [schema.additionalProperties, ".NAME"] : null;
    return next && inside(next[0], mark + next[1]);
  }

  function table(titles, rows) {
    const row = (cells, kind) => element("tr", "", ...cells.map(cell => element(kind, "", cell)));
    const body = element("tbody", "", ...rows.map(cells => row(cells, "td")));
    return element("div", "wide", element("table", "", element("thead", "", row(titles, "th")), body));
  }

  const EXAMPLES = {
    "/predict": {texts: ["What a lovely day!"], top_k: 3},
    "/v1/embeddings": {model: "", input: ["What a lovely day!"]},
  };

  function example(path, model) {
    const content = EXAMPLES[path] ?? {texts: ["What a lovely day!"]};
    return JSON.stringify("model" in content ? {...content, model} : content);
  }

  function trial(method, path, body) {
    const form = element("form"), answer = element("pre"), area = element("textarea", "code", body ?? "");
    area.rows = 3;
    area.setAttribute("aria-label", `body of ${path}`);
    answer.hidden = true;
    form.append(...body ? [area] : [], element("div", "line", element("button", "main", "Send")), answer);
    form.addEventListener("submit", async event => {
      event.preventDefault();
      answer.textContent = await outcome(method, path, body && area.value).catch(error => error.message);
      answer.hidden = false;
    });
    return form;
  }

  async function outcome(method, path, body) {
    const response = await request(method.toUpperCase(), path.slice(1), body), content = await response.text();
    const json = (response.headers.get("Content-Type") ?? "").startsWith("application/json");
    return `${response.status} ${response.statusText}\n${json ? JSON.stringify(JSON.parse(content), null, 1) : content}`;
  }

  function described(path, method, operation, model) {
    const title = element("code", "best", `${method.toUpperCase()} ${path}`);
    const part = element("details", "", element("summary", "", title, ` ${operation.description ?? operation.summary}`));
    const sent = operation.requestBody?.content["application/json"].schema;
    const body = sent && example(path, model);
    const curl = `curl -s ${location.origin}${path}${operation.security ? ' -H "Authorization: Bearer $(cat token)"' : ""}`;
    const data = body ? ` -H 'Content-Type: application/json' -d '${body}'` : "";
    part.append(element("pre", "", curl + data));
    const asked = (operation.parameters ?? []).map(({name, description, schema}) => [`?${name}=`, words(schema), description ?? ""]);
    const taken = [...asked, ...sent ? fields(sent) : []];
    if (taken.length) part.append(element("h3", "", "what it takes"), table(["name", "type", ""], taken));
    const given = operation.responses["200"].content?.["application/json"]?.schema;
    if (given) part.append(element("h3", "", "what it gives"), table(["name", "type", ""], fields(given)));
    const refused = Object.entries(operation.responses).filter(([status]) => status !== "200");
    part.append(element("h3", "", "refusals"), table(["status", "when"], refused.map(([status, {description}]) => [status, description])));
    part.append(element("h3", "", "try it"), trial(method, path, body));
    return part;
  }

  async function show() {
    try {
      const {paths, components} = await ask("openapi.json"), {name} = await ask("about");
      schemas = components.schemas;
      const parts = Object.entries(paths).flatMap(([path, methods]) =>
        Object.entries(methods).map(([method, operation]) => described(path, method, operation, name)));
      if (parts.length) parts[0].open = true;
      byId("paths").replaceChildren(...parts);
      byId("problem").textContent = "";
    } catch (error) {
      byId("problem").textContent = error.message;
    }
  }

  token.addEventListener("change", show);
  show();
