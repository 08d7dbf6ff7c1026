// The row browser: filters, a list of a few rows around the chosen one, and the chosen row side by side.
const PAGE_SIZE = innerWidth < 768 ? 6 : 15; // rows of the list: on a phone it is above the chosen row
const SIGNS = {better: "▲", worse: "▼", same: "●", unknown: "–"};
const WORDS = {better: "better", worse: "worse", same: "same value", unknown: "no value"};

function rowBrowser(data) {
  const rows = data.rows, get = (id) => document.getElementById(id);
  const controls = ["system", "measure", "task", "change", "order", "search"].map(get);
  const [system, measure, task, change, order, search] = controls;
  let matching = [], chosen = 0, lowered = null;

  function values(row) { return rows.values[row][+measure.value]; }
  function changeOf(row) {
    const own = values(row), before = own[0], after = own[+system.value];
    if (before === null || after === null) return "unknown";
    if (before === after) return "same";
    return (after > before) === rows.measures[+measure.value].higher_is_better ? "better" : "worse";
  }
  // By how much a row became better; 0 if that is not known.
  function gainOf(row) {
    const own = values(row), gain = (own[+system.value] ?? own[0]) - (own[0] ?? own[+system.value]);
    return rows.measures[+measure.value].higher_is_better ? gain : -gain;
  }
  function textOf(row) {
    lowered = lowered || rows.id.map(() => null);
    if (lowered[row] === null) {
      const parts = [rows.id[row], rows.question[row], ...rows.references[row], ...rows.answers[row].map((text) => text || "")];
      lowered[row] = parts.join("\n").toLowerCase();
    }
    return lowered[row];
  }
  function matches(row) {
    if (task.value !== "" && rows.task[row] !== +task.value) return false;
    if (change.value === "different") {
      if (rows.answers[row][0] === rows.answers[row][+system.value]) return false;
    } else if (change.value === "wrong") {
      const value = values(row)[+system.value], best = rows.measures[+measure.value].best;
      if (value === null || best === null || value === best) return false;
    } else if (change.value !== "" && changeOf(row) !== change.value) return false;
    return !search.value || textOf(row).includes(search.value.toLowerCase());
  }

  function filter() {
    const before = matching[chosen];
    matching = rows.id.map((_, row) => row).filter(matches);
    const sign = {drop: 1, gain: -1}[order.value];
    if (sign) matching.sort((a, b) => sign * (gainOf(a) - gainOf(b)) || a - b);
    const counts = {better: 0, worse: 0, same: 0, unknown: 0};
    for (const row of matching) counts[changeOf(row)]++;
    const parts = Object.entries(counts).filter(([, count]) => count).map(([kind, count]) => `${SIGNS[kind]} ${count} ${WORDS[kind]}`);
    get("count").textContent = `${matching.length} of ${rows.id.length} rows${parts.length ? ": " + parts.join(", ") : ""}`;
    choose(Math.max(0, matching.indexOf(before)));
  }

  function choose(place) {
    chosen = Math.min(Math.max(place, 0), Math.max(matching.length - 1, 0));
    get("previous").disabled = chosen === 0;
    get("next").disabled = chosen >= matching.length - 1;
    showList();
    showRow();
  }

  // The address names the chosen row, so that it can be sent with the page.
  function remember() {
    if (matching[chosen] !== undefined) history.replaceState(null, "", `#row-${matching[chosen]}`);
  }
  function move(place) {
    choose(place);
    remember();
  }

  function showList() {
    const start = Math.floor(chosen / PAGE_SIZE) * PAGE_SIZE;
    get("list").replaceChildren(...matching.slice(start, start + PAGE_SIZE).map((row, place) => {
      const item = document.createElement("li"), button = element("button", "");
      const kind = changeOf(row), sign = element("span", SIGNS[kind], `change ${kind}`);
      sign.setAttribute("role", "img");
      sign.setAttribute("aria-label", WORDS[kind]);
      button.type = "button";
      button.append(sign, element("span", rows.question[row].replace(/\s+/g, " ").slice(0, 80) || String(rows.id[row])));
      if (start + place === chosen) button.setAttribute("aria-current", "true");
      button.addEventListener("click", () => move(start + place));
      item.append(button);
      return item;
    }));
  }

  function showRow() {
    const target = get("row"), row = matching[chosen];
    target.replaceChildren();
    if (row === undefined) { target.append(element("p", "No row passes the filters.")); return; }
    const kind = changeOf(row), title = element("h3", "");
    const sample = rows.sample[row] ? `, sample ${rows.sample[row]}` : "";
    title.append(element("span", SIGNS[kind], `change ${kind}`), ` ${WORDS[kind]} · row ${chosen + 1} of ${matching.length}`);
    const name = element("p", `id ${rows.id[row]}${sample} · ${rows.tasks[rows.task[row]] || "no task"}`, "note");
    const list = document.createElement("dl");
    list.append(element("dt", "Question"), element("dd", rows.question[row] || "(none)"), element("dt", "Reference"));
    for (const text of rows.references[row].length ? rows.references[row] : ["(none)"]) list.append(element("dd", text));
    if (rows.more_references[row]) list.append(element("dd", `(and ${rows.more_references[row]} more)`, "note"));
    const sides = element("div", "", "sides"), other = +system.value;
    const [left, right] = [0, other].map((side) => sidePane(row, side));
    sides.append(left.pane, right.pane);
    const texts = [rows.answers[row][0], rows.answers[row][other]];
    if (texts[0] === null || texts[1] === null)
      [left, right].forEach((side, at) => { side.text.textContent = texts[at] === null ? "(no completion)" : texts[at]; });
    else if (!showDiff(texts[0], texts[1], left.text, right.text))
      sides.append(element("p", "The two answers share less than a fifth of their words, so nothing is marked.", "note"));
    target.append(title, name, list, sides);
  }

  function sidePane(row, side) {
    const pane = element("section", "", "side"), text = element("div", "", "answer");
    const value = values(row)[side], file = data.files[side];
    const about = [`${rows.measures[+measure.value].value} ${value === null ? "–" : value}`];
    if (rows.finish[row][side] === "length") about.push("cut at the token limit");
    if (rows.cut[row] && rows.cut[row][side]) about.push(`${rows.cut[row][side]} more characters are not on this page`);
    pane.append(element("h4", file.label), text, element("p", about.join(" · "), "note"));
    pane.setAttribute("aria-label", `Answer of ${file.label}`);
    return {pane, text};
  }

  function onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const isTyping = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName);
    if (isTyping) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    const inBrowser = get("browser").contains(event.target);
    if (event.key === "j" || (event.key === "ArrowDown" && inBrowser)) move(chosen + 1);
    else if (event.key === "k" || (event.key === "ArrowUp" && inBrowser)) move(chosen - 1);
    else if (event.key === "/") search.focus();
    else return;
    event.preventDefault();
  }

  for (const control of controls) control.addEventListener("input", filter);
  order.addEventListener("input", () => choose(0)); // after the filter: another order is read from its start
  get("filters").addEventListener("submit", (event) => event.preventDefault());
  get("previous").addEventListener("click", () => move(chosen - 1));
  get("next").addEventListener("click", () => move(chosen + 1));
  document.addEventListener("keydown", onKey);
  filter();
  const named = /^#row-(\d+)$/.exec(location.hash);
  if (named && rows.id[+named[1]] !== undefined) {
    choose(+named[1]);
    get("rows").scrollIntoView();
  }
}

// An element with a text, which is never read as HTML.
function element(tag, text, style) {
  const made = document.createElement(tag);
  made.textContent = text;
  if (style) made.className = style;
  return made;
}
