  const byId = id => document.getElementById(id);
  const token = byId("token");

  function element(name, className, ...content) {
    const node = document.createElement(name);
    if (className) node.className = className;
    node.append(...content);
    return node;
  }

  // Ask the server; an error has the status and the line of the refusal.
  async function request(method, path, body) {
    const headers = body === undefined ? {} : {"Content-Type": "application/json"};
    if (token.value) headers.Authorization = `Bearer ${token.value.trim()}`;
    const response = await fetch(path, {method, headers, body}).catch(() => {
      throw new Error("the server does not answer; see whether it still runs, and try again");
    });
    if (response.status === 401) byId("asked").hidden = false;
    return response;
  }

  async function ask(path, content) {
    const response = await request(content ? "POST" : "GET", path, content && JSON.stringify(content));
    const answer = await response.json();
    if (response.ok) return answer;
    const wait = Number(response.headers.get("Retry-After"));
    throw Object.assign(new Error(answer.error.message ?? answer.error), {status: response.status, wait});
  }
