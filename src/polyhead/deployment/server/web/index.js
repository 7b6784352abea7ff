  const text = byId("text"), coverage = byId("coverage"), most = byId("most"), second = byId("second"), model = byId("model");
  const MOST_ROWS = 500;  // of the table that is shown; the file has all
  let served = null;  // what /about says
  let latest = 0;  // a slow answer must not replace that of a later question
  const pause = seconds => new Promise(done => setTimeout(done, 1000 * seconds));
  const wanted = () => Math.max(1, Math.floor(Number(most.value)) || 8);
  const percent = share => `${(100 * share).toFixed(1)}\u00a0%`;
  const spoken = label => typeof label === "number" ? String(Number(label.toPrecision(4))) : label;
  const listed = label => [label ?? []].flat().map(spoken);  // one label, several, a number, or none

  // What a request says of the model: nothing where there is one.
  const chosen = () => model.value ? {model: model.value} : {};

  async function offer() {
    const names = (await ask("v1/models")).data.map(({id}) => id);
    if (names.length < 2 || model.options.length) return;
    model.replaceChildren(...names.map(name => element("option", "", name)));
    const asked = new URLSearchParams(location.search).get("model");
    if (names.includes(asked)) model.value = asked;
    byId("choose").hidden = false;
  }

  async function introduce() {
    await offer();
    const name = model.value;
    const found = await ask(name ? `about?model=${encodeURIComponent(name)}` : "about");
    if (name !== model.value) return;  // another was chosen meanwhile
    served = found;
    document.title = `${served.name} – Polyhead`;
    byId("name").textContent = served.name;
    const maker = served.made_with.polyhead ? `, exported by Polyhead ${served.made_with.polyhead}` : "";
    byId("version").textContent = `version ${served.version}${maker} ·`;
    second.hidden = !served.pairs.length;
    byId("examples").replaceChildren(...served.examples.map(chip));
  }

  function chip(sentence) {
    const button = element("button", "chip", sentence);
    button.type = "button";
    button.title = sentence;
    button.addEventListener("click", () => { text.value = sentence; show(); });
    return button;
  }

  // The coverage of each task that can promise one.
  function covered() {
    const tasks = served.tasks.filter(task => task.calibrated);
    if (!coverage.value || !tasks.length) return {};
    return {coverage: Object.fromEntries(tasks.map(task => [task.name, coverage.value / 100]))};
  }

  // Ask for predictions of rows of a text, and a second one where it is given; a full queue is waited for, and a
  // coverage that cannot be promised is left out and told.
  async function predict(rows, told) {
    const options = covered();
    if ("second" in rows[0]) options.seconds = rows.map(row => row.second);
    for (;;) {
      try {
        return (await ask("predict", {texts: rows.map(row => row.text), ...chosen(), ...options})).predictions;
      } catch (error) {
        if (error.status === 429) await pause(error.wait || 1);
        else if (error.status === 409 && options.coverage) { told(error.message); delete options.coverage; }
        else throw error;
      }
    }
  }

  function bar(label, share, answer) {
    const row = element("div", listed(answer.label).includes(label) ? "row best" : "row");
    if (answer.set && answer.set.includes(label)) row.classList.add("set");
    const track = element("div", "track"), filled = element("div", "bar");
    filled.style.width = `${100 * share}%`;
    track.append(filled);
    row.append(element("span", "", label), track, element("span", "share", percent(share)));
    return row;
  }

  // The classes that are shown: all in their own order, or the most probable first with those that are answers.
  function shown(answer) {
    const classes = Object.entries(answer.probabilities);
    if (classes.length <= wanted()) return classes;
    const given = new Set([...listed(answer.label), ...(answer.set ?? [])]);
    classes.sort((one, other) => other[1] - one[1]);
    return classes.filter(([label], place) => place < wanted() || given.has(label));
  }

  // Of a task about two texts where there is one.
  const isUnanswered = answer => answer.label === null && !Object.keys(answer.probabilities).length;

  function bars(task, answer) {
    const section = element("section", "", element("h2", "", task));
    const classes = shown(answer), left = Object.keys(answer.probabilities).length - classes.length;
    if (!classes.length) section.append(element("div", "best", listed(answer.label).join(", ")));
    section.append(...classes.map(([label, share]) => bar(label, share, answer)));
    if (left) section.append(element("div", "soft", `and ${left} less probable`));
    return section;
  }

  function neighbours(found) {
    const items = found.map(({sentence, cosine}) => element("li", "", `${sentence} (${cosine.toFixed(2)})`));
    return element("section", "", element("h2", "", "nearest stored sentences"), element("ol", "", ...items));
  }

  async function one(row, told) {
    const [answers] = await predict([row], told);
    const given = Object.entries(answers).filter(([, answer]) => !isUnanswered(answer));
    const sections = given.map(([task, answer]) => bars(task, answer));
    if (served.sentences) sections.push(neighbours((await ask("neighbours", {texts: [row.text], ...chosen()})).neighbours[0]));
    return sections;
  }

  // Split rows into requests that keep the server's limits.
  function* chunks(rows, {texts: number, body_bytes}) {
    const around = 100 + JSON.stringify({...chosen(), ...covered()}).length;  // what stands around the texts
    let chunk = [], bytes = around;
    for (const row of rows) {
      const size = new TextEncoder().encode(JSON.stringify(row)).length;
      if (chunk.length && (chunk.length >= number || bytes + size > body_bytes)) {
        yield chunk;
        [chunk, bytes] = [[], around];
      }
      chunk.push(row);
      bytes += size;
    }
    yield chunk;
  }

  async function many(rows, told, isLatest) {
    const isLong = sentence => [...sentence].length > served.limits.characters;
    const long = rows.findIndex(row => Object.values(row).some(isLong));
    if (long >= 0) throw new Error(`text ${long + 1} has more than ${served.limits.characters} characters; shorten it`);
    const answers = [];
    for (const chunk of chunks(rows, served.limits)) {
      answers.push(...await predict(chunk, told));
      if (!isLatest()) return [];
      byId("answer").replaceChildren(element("p", "soft", `${answers.length} of ${rows.length} texts`));
    }
    const save = element("button", "", "Download CSV");
    save.addEventListener("click", () => download(csv(rows, answers)));
    const more = rows.length > MOST_ROWS ? `; the first ${MOST_ROWS} are shown, the file has all` : "";
    const line = element("div", "line", element("span", "soft", `${rows.length} texts${more}`), save);
    return [line, element("div", "wide", table(rows.slice(0, MOST_ROWS), answers))];
  }

  function table(rows, answers) {
    const given = Object.keys(rows[0]), tasks = Object.keys(answers[0]);
    const head = element("tr", "", ...[...given, ...tasks].map(name => element("th", "", name)));
    const lines = rows.map((row, place) => {
      const sentences = given.map(name => {
        const sentence = element("div", "", row[name]);
        sentence.title = row[name];
        return element("td", "sentence", sentence);
      });
      const cells = tasks.map(task => element("td", "", element("div", "", cell(answers[place][task]))));
      return element("tr", "", ...sentences, ...cells);
    });
    return element("table", "texts", element("thead", "", head), element("tbody", "", ...lines));
  }

  function cell(answer) {
    if (answer.set) return `✓ ${answer.set.map(label => `${label} ${percent(answer.probabilities[label])}`).join(", ")}`;
    const labels = listed(answer.label);
    if (!labels.length) return "–";
    const share = label => label in answer.probabilities ? ` ${percent(answer.probabilities[label])}` : "";
    return labels.map(label => `${label}${share(label)}`).join(", ");
  }

  // The columns of `polyhead predict`: of one class how probable it is and the runners-up, of several classes JSON.
  function columns(task, answer, sorted) {
    const first = `predicted_${task}`;
    const label = Array.isArray(answer.label) ? JSON.stringify(answer.label) : answer.label ?? "";
    const found = {[first]: label};
    if (!Array.isArray(answer.label) && answer.label in answer.probabilities) found[`${first}_probability`] = answer.probabilities[answer.label];
    if (answer.set) found[`${first}_set`] = JSON.stringify(answer.set);
    sorted.slice(1).forEach(([name, share], place) => {
      found[`${first}_top${place + 2}`] = name;
      found[`${first}_top${place + 2}_probability`] = share;
    });
    return found;
  }

  function csv(rows, answers) {
    const calibrated = new Set(served.tasks.filter(task => task.calibrated).map(task => task.name));
    const lines = rows.map((row, place) => {
      const parts = Object.entries(answers[place]).map(([task, answer]) => {
        const classes = calibrated.has(task) ? Object.entries(answer.probabilities) : [];
        classes.sort((one, other) => other[1] - one[1]);
        return columns(task, answer, classes.slice(0, wanted()));
      });
      return Object.assign({...row}, ...parts);
    });
    const names = Object.keys(lines[0]);
    return [names, ...lines.map(line => names.map(name => line[name]))].map(cells => cells.map(quoted).join(",") + "\r\n").join("");
  }

  const quoted = value => /[",\r\n]/.test(value) ? `"${String(value).replaceAll('"', '""')}"` : String(value);

  function download(content) {
    const link = element("a"), place = URL.createObjectURL(new Blob([content], {type: "text/csv"}));
    link.setAttribute("href", place);
    link.setAttribute("download", "predicted.csv");
    link.click();
    setTimeout(() => URL.revokeObjectURL(place), 60000);
  }

  function sentences(field) {
    const lines = byId("lines").checked ? field.value.split("\n") : [field.value];
    return lines.map(line => line.trim()).filter(line => line);
  }

  // A row for each text; of second ones there is none, one for all, or one for each.
  function rows() {
    const texts = sentences(text), seconds = sentences(second);
    if (second.hidden || !seconds.length) return texts.map(sentence => ({text: sentence}));
    if (seconds.length > 1 && seconds.length !== texts.length) {
      throw new Error(`${seconds.length} second sentences for ${texts.length}; give one for all, or one for each`);
    }
    return texts.map((sentence, place) => ({text: sentence, second: seconds[seconds.length > 1 ? place : 0]}));
  }

  async function show() {
    const turn = ++latest;
    if (!sentences(text).length) return;
    let sections = [], trouble = "";
    const told = line => { trouble = line; };
    try {
      if (!served) await introduce();
      const given = rows();
      sections = given.length === 1 ? await one(given[0], told) : await many(given, told, () => turn === latest);
    } catch (error) {
      trouble = error.message;
    }
    if (turn !== latest) return;
    byId("answer").replaceChildren(...sections);
    byId("problem").textContent = trouble;
  }

  document.querySelector("form").addEventListener("submit", event => { event.preventDefault(); show(); });
  text.addEventListener("keydown", event => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) { event.preventDefault(); show(); }
  });
  for (const option of [token, coverage, most, byId("lines")]) option.addEventListener("change", show);
  model.addEventListener("change", () => { served = null; show(); });
  token.addEventListener("change", () => served || introduce().catch(() => {}));
  text.value = new URLSearchParams(location.search).get("text") ?? "";  // a link can carry sentences
  introduce().then(show, error => {
    if (error.status === 401) return show();  // says so, if the link carries sentences
    byId("problem").textContent = error.message;
  });
