"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const at = (id) => document.getElementById(id);
  const rows = data.rows;
  const CHOICES = [["left", "1"], ["right", "2"], ["tie", "0"], ["both-bad", "9"]];
  let language = data.language;
  let rater = "";
  let state = null; // of this rater: {at, answers: {row: {values, note, ms, ts}}, history: [[row, criterion]]}
  let shownSince = 0; // when the row appeared, or the page became visible again
  let ties = false; // the next answer of a ranking is as good as the one before

  const word = (name, values) =>
    (data.words[language][name] ?? name).replace(/\{(\w+)\}/g, (_, key) => String(values?.[key] ?? ""));

  // Text is only ever set as text: nothing that a model wrote becomes an element.
  function element(tag, text, attributes, ...children) {
    const made = document.createElement(tag);
    if (text !== null && text !== undefined) made.textContent = text;
    for (const [name, value] of Object.entries(attributes ?? {})) made.setAttribute(name, value);
    made.append(...children);
    return made;
  }

  // --- What is kept in the browser -------------------------------------------------------------------------------

  const place = (name) => `sft-ratings:${data.page}:${name}`;

  function load(key) {
    try { return JSON.parse(localStorage.getItem(key)); } catch { return null; }
  }

  function store(key, value) {
    try { localStorage.setItem(key, JSON.stringify(value)); } catch { warn(word("not_kept")); }
  }

  function save() {
    if (state) store(place(`rater:${rater}`), state);
  }

  function warn(text) {
    at("warning").textContent = text;
    at("warning").hidden = !text;
  }

  function say(text) {
    at("status").textContent = "";
    // A screen reader speaks a live region only when it changes.
    requestAnimationFrame(() => { at("status").textContent = text; });
  }

  // --- The answers of a row ---------------------------------------------------------------------------------------

  const answerOf = (row) => (state.answers[row] ??= { values: {}, note: "", ms: 0, ts: "" });
  const isRanked = (value) => Array.isArray(value) && value.length === rows[0].answers.length && !value.includes(null);

  function isGiven(criterion, value) {
    return criterion.scale === "ranking" ? isRanked(value) : value !== undefined && value !== null;
  }

  const openCriterion = (row) =>
    data.criteria.find((criterion) => !isGiven(criterion, state.answers[row]?.values[criterion.name]));
  const isDone = (row) => state.answers[row] !== undefined && !openCriterion(row);
  const countDone = () => rows.filter((_, row) => isDone(row)).length;

  function addTime() {
    const now = performance.now();
    if (state && shownSince && state.at < rows.length && !isDone(state.at)) {
      answerOf(state.at).ms += Math.round(now - shownSince);
    }
    shownSince = document.visibilityState === "visible" ? now : 0;
  }

  function give(criterion, value) {
    const row = state.at;
    const given = answerOf(row);
    const wasDone = isDone(row);
    addTime();
    state.history.push([row, criterion.name, given.values[criterion.name] ?? null]);
    given.values[criterion.name] = value;
    given.ts = new Date().toISOString().replace(/\.\d+Z$/, "Z");
    save();
    const what = criterion.scale === "ranking" ? "" : shownValue(criterion, value);
    if (isDone(row) && !wasDone) {
      go(nextOpen(row), word("saved", { what }));
    } else {
      draw();
      if (what) say(word("saved", { what }));
    }
  }

  function shownValue(criterion, value) {
    if (criterion.scale === "choice") return word(value);
    return criterion.scale === "yes-no" ? word(value ? "yes" : "no") : String(value);
  }

  function nextOpen(row) {
    for (let step = 1; step <= rows.length; step += 1) {
      const candidate = (row + step) % rows.length;
      if (!isDone(candidate)) return candidate;
    }
    return rows.length;
  }

  function undo() {
    const last = state.history.pop();
    if (!last) { say(word("nothing_to_undo")); return; }
    const [row, name, before] = last;
    addTime();
    if (before === null) delete answerOf(row).values[name]; else answerOf(row).values[name] = before;
    go(row, word("undone"));
  }

  function rank(criterion, answer) {
    const row = state.at;
    const before = answerOf(row).values[criterion.name] ?? rows[row].answers.map(() => null);
    if (before[answer] !== null) return;
    const given = before.filter((each) => each !== null);
    const next = given.length === 0 ? 1 : ties ? Math.max(...given) : given.length + 1;
    ties = false;
    give(criterion, before.map((each, index) => (index === answer ? next : each)));
  }

  // --- Drawing ----------------------------------------------------------------------------------------------------

  function translate() {
    document.documentElement.lang = language === "zh" ? "zh-Hans" : "en";
    document.title = word("title");
    for (const each of document.querySelectorAll("[data-word]")) each.textContent = word(each.dataset.word);
    at("language").value = language;
    at("about").textContent = word(`about_${data.kind}`);
    at("instructions").textContent = data.instructions;
    at("instructions").hidden = !data.instructions;
    at("guidelines").replaceChildren(...data.criteria.filter((each) => each.question || each.guideline).map((each) =>
      element("li", [titleOf(each), each.guideline].filter(Boolean).join(" — "), { dir: "auto" })));
    if (state) draw();
  }

  function titleOf(criterion) {
    const asked = criterion.question || (criterion.name === "overall" || !criterion.guideline ? word(questionOf(criterion)) : "");
    return criterion.name === "overall" ? asked : [criterion.name, asked].filter(Boolean).join(": ");
  }

  function questionOf(criterion) {
    const names = { choice: "question_choice", "yes-no": "question_yes_no", ranking: "question_ranking" };
    return names[criterion.scale] ?? "question_rating";
  }

  function draw() {
    const ended = state.at >= rows.length;
    at("start").hidden = true;
    at("work").hidden = ended;
    at("done").hidden = !ended;
    at("footer").hidden = false;
    at("back").disabled = state.at <= 0;
    at("next").disabled = ended || state.at >= rows.length - 1;
    at("undo").disabled = state.history.length === 0;
    at("count").textContent = word("count", { done: countDone(), all: rows.length });
    if (ended) return;
    at("place").textContent = word("place", { n: state.at + 1, all: rows.length });
    at("progress").max = rows.length;
    at("progress").value = countDone();
    at("progress").setAttribute("aria-label", word("count", { done: countDone(), all: rows.length }));
    const row = rows[state.at];
    at("prompt").replaceChildren(...row.prompt.map((turn) => element("div", null, { class: "turn" },
      ...(row.prompt.length > 1 ? [element("div", word(`role_${turn.role}`), { class: "role" })] : []),
      element("p", turn.text, { dir: "auto" }))));
    at("answers").className = row.answers.length > 1 ? "many" : "";
    at("answers").replaceChildren(...row.answers.map(answerBox));
    at("criteria").replaceChildren(...data.criteria.map(criterionBox));
    at("note").value = state.answers[state.at]?.note ?? "";
  }

  function answerBox(answer, index) {
    const title = { pair: word(index === 0 ? "left_answer" : "right_answer"), single: word("answer") }[data.kind] ??
      word("answer_n", { n: index + 1 });
    const text = answer.text === null ? word("no_answer") : answer.text.trim() === "" ? word("empty_answer") : answer.text;
    const isText = text === answer.text;
    return element("article", null, { class: "answer", "aria-labelledby": `answer-${index}` },
      element("h3", title, { id: `answer-${index}` }), element("p", text, { dir: "auto", ...(isText ? {} : { class: "none" }) }));
  }

  function criterionBox(criterion) {
    const isActive = openCriterion(state.at) === criterion;
    const value = state.answers[state.at]?.values[criterion.name];
    const box = element("fieldset", null, isActive ? { class: "active" } : {}, element("legend", titleOf(criterion), { dir: "auto" }));
    if (criterion.guideline) box.append(element("p", criterion.guideline, { class: "guideline", dir: "auto" }));
    const buttons = criterion.scale === "ranking" ? rankButtons(criterion, value) : valueButtons(criterion, value);
    box.append(element("div", null, { class: "choices" }, ...buttons));
    return box;
  }

  function button(label, key, pressed, act) {
    const made = element("button", label, { type: "button", ...(pressed === null ? {} : { "aria-pressed": String(pressed) }) });
    if (key) made.append(" ", element("kbd", key));
    made.addEventListener("click", act);
    return made;
  }

  function valuesOf(criterion) {
    if (criterion.scale === "choice") return CHOICES;
    if (criterion.scale === "yes-no") return [[1, "1"], [0, "0"]];
    const [low, high] = criterion.scale.split("-").map(Number);
    // Ten is 0: it is the key beside 9.
    return Array.from({ length: high - low + 1 }, (_, step) => [low + step, low + step > 9 ? (low + step === 10 && low > 0 ? "0" : "") : String(low + step)]);
  }

  function valueButtons(criterion, value) {
    return valuesOf(criterion).map(([each, key]) => {
      const label = shownValue(criterion, each);
      return button(label, key === label ? "" : key, value === each, () => give(criterion, each));
    });
  }

  function rankButtons(criterion, value) {
    const ranks = value ?? [];
    const given = ranks.filter((each) => each !== null && each !== undefined).length;
    const all = rows[state.at].answers.map((_, index) => {
      const mine = ranks[index] ?? null;
      const label = word("answer_n", { n: index + 1 }) + (mine === null ? "" : `: ${word("rank", { n: mine })}`);
      const made = button(label, "", mine !== null, () => rank(criterion, index));
      made.disabled = mine !== null;
      return made;
    });
    const same = button(word("same_rank"), "0", ties, () => { ties = !ties; draw(); });
    same.disabled = given === 0 || isRanked(value);
    const again = button(word("again"), "", null, () => { ties = false; give(criterion, rows[state.at].answers.map(() => null)); });
    again.disabled = given === 0;
    return [...all, same, again];
  }

  function go(row, said) {
    addTime();
    ties = false;
    state.at = Math.max(0, Math.min(row, rows.length));
    save();
    draw();
    const heading = at(state.at >= rows.length ? "done-title" : "place");
    heading.focus();
    window.scrollTo(0, 0);
    say([said, heading.textContent].filter(Boolean).join(" "));
  }

  // --- Files ------------------------------------------------------------------------------------------------------

  function exported(row) {
    const shown = rows[row];
    const given = state.answers[row];
    const codes = shown.answers.map((answer) => answer.code);
    const own = {};
    for (const criterion of data.criteria.slice(1)) own[criterion.name] = given.values[criterion.name];
    const overall = given.values[data.criteria[0].name];
    const sides = {
      pair: () => ({ left: codes[0], right: codes[1], choice: overall }),
      single: () => ({ code: codes[0], rating: overall }),
      ranking: () => ({ codes, ranks: overall }),
    }[data.kind]();
    return { id: shown.id, sample: shown.sample, rater, ...sides, criteria: own, note: given.note, ms: given.ms,
      page: data.page, repeat: shown.repeat, ts: given.ts };
  }

  function exportRows() {
    addTime();
    save();
    const lines = rows.map((_, row) => row).filter(isDone).map((row) => JSON.stringify(exported(row)) + "\n");
    const file = `ratings.${rater.replace(/[^\p{L}\p{N}_-]+/gu, "-")}.jsonl`;
    const link = element("a", null, { download: file });
    link.href = URL.createObjectURL(new Blob(lines, { type: "application/x-ndjson" }));
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
    say(word("exported", { n: lines.length, file }));
    at("count").textContent = word("exported", { n: lines.length, file });
  }

  function codesOf(read) {
    return read.codes ?? (read.code === undefined ? [read.left, read.right] : [read.code]);
  }

  function readExport(text) {
    const found = [];
    for (const [number, line] of text.split("\n").entries()) {
      if (!line.trim()) continue;
      let read;
      try { read = JSON.parse(line); } catch { read = null; }
      if (read === null || typeof read !== "object" || typeof read.rater !== "string") {
        warn(word("not_a_file", { n: number + 1 }));
        return null;
      }
      const codes = codesOf(read).join(" ");
      const row = rows.findIndex((each) => each.answers.map((answer) => answer.code).join(" ") === codes);
      if (read.page !== data.page || row < 0) { warn(word("other_page")); return null; }
      found.push([row, read]);
    }
    if (found.length === 0) warn(word("not_a_file", { n: 1 }));
    return found.length === 0 ? null : found;
  }

  function importRows(text) {
    const found = readExport(text);
    if (found === null) return;
    const name = at("rater").value.trim();
    const theirs = found[0][1].rater;
    if (name && name !== theirs) { warn(word("other_rater", { file: theirs, name })); return; }
    warn("");
    start(theirs);
    for (const [row, read] of found) {
      // What was changed here later than in the file stays.
      if ((state.answers[row]?.ts ?? "") > (read.ts ?? "") && isDone(row)) continue;
      const values = { ...read.criteria, [data.criteria[0].name]: read.choice ?? read.rating ?? read.ranks };
      state.answers[row] = { values, note: read.note ?? "", ms: read.ms ?? 0, ts: read.ts ?? "" };
    }
    go(nextOpen(rows.length - 1), word("imported", { n: found.length }));
  }

  // --- Start and keys ---------------------------------------------------------------------------------------------

  function start(name) {
    rater = name;
    state = load(place(`rater:${name}`)) ?? { at: 0, answers: {}, history: [] };
    store(place("last"), { rater: name });
    shownSince = performance.now();
    go(state.at);
  }

  // To read a file, or for another rater on this computer.
  function goHome() {
    addTime();
    save();
    state = null;
    store(place("last"), null);
    for (const each of ["work", "done", "footer"]) at(each).hidden = true;
    at("start").hidden = false;
    at("rater").focus();
  }

  function onKey(event) {
    if (event.altKey || event.ctrlKey || event.metaKey || !at("keys").checked || !state) return;
    const writes = event.target.closest("textarea, select, input:not([type=checkbox])");
    if (writes) {
      if (event.key === "Escape") { writes.blur(); at("place").focus(); event.preventDefault(); }
      return;
    }
    // While an input method for Chinese is on, only the code of a key says which one it was.
    const sign = event.key === "Process" ? event.code.replace(/^(Key|Digit|Numpad)/, "") : event.key;
    const actions = { u: undo, e: exportRows, arrowleft: () => state.at > 0 && go(state.at - 1),
      arrowright: () => state.at < rows.length - 1 && go(state.at + 1),
      n: () => state.at < rows.length && at("note").focus() };
    const act = actions[sign.toLowerCase()];
    if (act) { event.preventDefault(); act(); return; }
    if (state.at >= rows.length || event.repeat) return;
    const criterion = openCriterion(state.at) ?? (data.criteria.length === 1 ? data.criteria[0] : null);
    if (!criterion) return;
    if (criterion.scale === "ranking") {
      const answer = Number(sign) - 1;
      const ranks = state.answers[state.at]?.values[criterion.name];
      if (sign === "0") { ties = (ranks ?? []).some((each) => each !== null) && !ties; draw(); }
      else if (answer >= 0 && answer < rows[state.at].answers.length) rank(criterion, answer);
    } else {
      const chosen = valuesOf(criterion).find(([, key]) => key === sign);
      if (chosen) { event.preventDefault(); give(criterion, chosen[0]); }
    }
  }

  at("start-form").addEventListener("submit", (event) => {
    event.preventDefault();
    const name = at("rater").value.trim();
    if (name) start(name); else warn(word("no_name"));
  });
  at("import").addEventListener("change", async (event) => {
    const [file] = event.target.files;
    if (file) importRows(await file.text());
    event.target.value = "";
  });
  at("language").addEventListener("change", (event) => {
    language = event.target.value;
    store("sft-ratings:language", language);
    translate();
  });
  at("note").addEventListener("input", () => { answerOf(state.at).note = at("note").value; save(); });
  at("undo").addEventListener("click", undo);
  at("back").addEventListener("click", () => go(state.at - 1));
  at("next").addEventListener("click", () => go(state.at + 1));
  at("export").addEventListener("click", exportRows);
  at("home").addEventListener("click", goHome);
  document.addEventListener("keydown", onKey);
  document.addEventListener("visibilitychange", () => { addTime(); save(); });
  window.addEventListener("pagehide", () => { addTime(); save(); });

  language = data.words[load("sft-ratings:language")] ? load("sft-ratings:language") : language;
  try {
    localStorage.setItem("sft-ratings:test", "1");
    localStorage.removeItem("sft-ratings:test");
  } catch { warn(word("not_kept")); }
  translate();
  const last = load(place("last"));
  if (last) {
    at("rater").value = last.rater;
    start(last.rater);
  } else {
    at("rater").focus();
  }
})();
