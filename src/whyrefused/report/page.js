// What can the reader do? Follow links into what is folded, copy commands, print, search and filter.

const find = (id) => document.getElementById(id);
const articles = all("article.finding");

// Commands are there to be copied. One listener serves every button there will be.
const copied = async (button, code) => {
  try {
    await navigator.clipboard.writeText(code.textContent);
    button.textContent = "Copied";
  } catch {
    getSelection().selectAllChildren(code);
    button.textContent = "Selected";
  }
  setTimeout(() => { button.textContent = "Copy"; }, 1500);
};
const withButtons = (article) => {
  for (const item of all(".commands li", article)) {
    if (!item.querySelector(".copy")) item.append(make("button", {type: "button", className: "copy", textContent: "Copy"}));
  }
};
addEventListener("click", (event) => {
  if (event.target.classList?.contains("copy")) copied(event.target, event.target.closest("li").querySelector("code"));
});
for (const it of articles) if (it.firstElementChild.open) withButtons(it);

// On paper the findings are unfolded.
const unfolded = [];
let list = null;
addEventListener("beforeprint", () => {
  for (const it of all(".finding details:not([open])")) { it.open = true; unfolded.push(it); }
  showAll();
  list?.paper(true);
});
addEventListener("afterprint", () => {
  for (const it of unfolded.splice(0)) it.open = false;
  list?.paper(false);
});

const form = find("filter");
const field = (name) => find(`filter-${name}`);
const NAMES = ["q", "host", "group", "cause", "outcome"].filter((it) => field(it));
let rows = null, only = 0;

const titles = all("#filter-cause option").map((it) => it.text).slice(1, -1);
const optionAt = (select, text) => [...select.options].find((it) => it.text === text);

// The fragment says what is looked for in words, so that a link still fits tomorrow's report.
const stated = () => {
  const state = new URLSearchParams();
  for (const name of NAMES) {
    const it = field(name);
    if (it.value === "") continue;
    state.set(name, name === "group" ? it.selectedOptions[0].text : name === "cause" ? rows.causes[it.value - 1] ?? "none" : it.value);
  }
  if (only) state.set("finding", rows.findings[only - 1][0].slice(8));
  return state.toString();
};
const restore = (state) => {
  for (const name of NAMES) {
    const it = field(name), value = state.get(name) ?? "";
    if (name === "group") it.value = value && (optionAt(it, value)?.value ?? "");
    else if (name === "cause") it.value = value === "none" ? "0" : value && rows.causes.includes(value) ? rows.causes.indexOf(value) + 1 : "";
    else it.value = value;
  }
  only = rows.findings.findIndex(([anchor]) => anchor === `finding-${state.get("finding")}`) + 1;
};

const told = (number, noun) => `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;
const wordsOf = new Map();
const saying = (article) => {
  if (!wordsOf.has(article)) wordsOf.set(article, article.textContent.toLowerCase());
  return wordsOf.get(article);
};

// Thousands that fit would be laid out for each letter that is typed. Those beyond the first come when asked for.
const FIRST = 500;
let beyond = [];
const button = make("button", {type: "button"});
const more = make("p", {className: "more", hidden: true}, make("span"), " ", button);
find("findings")?.append(more);
const showAll = () => {
  more.hidden = true;
  for (const it of beyond) it.hidden = false;
  const [next] = beyond;
  beyond = [];
  return next;
};
button.addEventListener("click", () => {
  const next = showAll();
  next.tabIndex = -1;
  next.focus({preventScroll: true});
});
const putOff = (fitting) => {
  beyond = fitting.slice(FIRST);
  more.hidden = !beyond.length;
  more.firstChild.textContent = `The first ${FIRST} are shown.`;
  button.textContent = `Show all ${told(fitting.length, "finding")}`;
};

// A finding fits when an item that it explains does, or when it says itself what is looked for.
const fitFindings = (wanted, fits) => {
  const having = new Uint8Array(articles.length + 1);
  for (let at = 0; at < rows.length; at++) if (fits[at]) having[rows.finding[at]] = 1;
  const apart = ["host", "group", "outcome"].some((it) => wanted[it]) || only;
  const terms = wanted.q.toLowerCase().split(/\s+/).filter(Boolean);
  const fitting = articles.filter((article, at) => having[at + 1] ||
    !apart && (wanted.cause === "" || Number(wanted.cause) === rows.findings[at][1]) &&
      terms.every((it) => saying(article).includes(it)));
  const shown = new Set(fitting.slice(0, FIRST));
  for (const it of articles) it.hidden = !shown.has(it);
  putOff(fitting);
  return fitting.length;
};

const apply = () => {
  const wanted = {...Object.fromEntries(NAMES.map((it) => [it, field(it).value])), finding: only};
  const filtered = Boolean(only) || NAMES.some((it) => field(it).value.trim() !== "");
  const fits = filtered ? rows.fitting(wanted) : new Uint8Array(rows.length).fill(1);
  if (filtered) {
    const found = fitFindings(wanted, fits);
    const shown = fits.reduce((sum, it) => sum + it, 0);
    field("count").textContent = `${told(found, "finding")} of ${articles.length.toLocaleString("en")}, ${told(shown, "item")} of ${rows.length.toLocaleString("en")}` + (only ? ", all of one finding" : "");
  } else {
    for (const it of articles) it.hidden = false;
    putOff([]);
    field("count").textContent = "";
  }
  field("clear").hidden = !filtered;
  list.show(fits, filtered);
};

// Only the fragment changes, and typing leaves no trail behind the Back button.
const remember = () => {
  const state = stated();
  history.replaceState(null, "", state ? `#${state}` : location.href.split("#")[0]);
};

const reveal = () => {
  const name = location.hash.slice(1);  // our own anchors need no decoding
  if (name.includes("=")) {
    if (!rows) return;
    restore(new URLSearchParams(location.hash.slice(1)));
    apply();
    return;
  }
  const at = rows && name.startsWith("item-") ? rows.at(name.slice(5)) : -1;
  if (at >= 0) {
    if (!list.fits[at]) { restore(new URLSearchParams()); apply(); }
    list.reveal(at);
    return;
  }
  const target = name && find(name);
  if (!target) return;
  if (beyond.includes(target)) showAll();
  else if (target.hidden && rows) { restore(new URLSearchParams()); apply(); }
  if (target.matches("article.finding")) target.firstElementChild.open = true;
  for (let it = target.closest("details"); it; it = it.parentElement.closest("details")) it.open = true;
  target.scrollIntoView({block: "start"});
};
addEventListener("hashchange", reveal);

// What a finding explains becomes links when it is unfolded.
const explained = (details) => {
  const at = articles.indexOf(details.closest("article")) + 1, names = details.querySelector("ul");
  const these = rows.of(at);
  if (!these.length) return;
  const entry = (row) => make("li", {}, make("a", {href: `#item-${rows.anchor.substr(12 * row, 12)}`, textContent:
    [rows.hosts[rows.host[row]], rows.words[rows.check[row]], rows.words[rows.subject[row]]].join(" · ")}));
  names.replaceChildren(...these.slice(0, 20).map(entry));
  if (these.length > 20) {
    names.append(make("li", {}, make("a", {href: `#finding=${rows.findings[at - 1][0].slice(8)}`,
      textContent: `all ${told(these.length, "item")} in the list`})));
  }
};
document.addEventListener("toggle", (event) => {
  const it = event.target;
  if (!it.open) return;
  if (it.parentElement.matches("article.finding")) withButtons(it);
  if (rows && it.matches(".explains") && !it.querySelector("a")) explained(it);
}, true);

// The numbers of the overview lead to what they count.
const linked = () => {
  for (const cell of all(".counts [data-cause] td[data-group]:not(.zero)")) {
    const of = cell.parentElement.dataset, state = new URLSearchParams();
    if (cell.dataset.group !== "all") state.set("group", field("group").options[Number(cell.dataset.group) + 1].text);
    state.set("cause", of.cause);
    if (of.outcome) state.set("outcome", of.outcome);
    cell.replaceChildren(make("a", {href: `#${state}`, textContent: cell.textContent}));
  }
  for (const it of all(".kinds li")) {
    const name = it.querySelector("span");
    name.replaceWith(make("a", {href: `#cause=${it.dataset.cause}`, textContent: name.textContent}));
  }
};

const begin = async () => {
  const block = find("rows");
  if (!block) return;
  const wait = find("list-wait");
  try {
    wait.hidden = false;
    rows = new Rows({...await inflated(block), titles});
  } catch {
    wait.textContent = "This browser cannot unpack the items. They are in the JSON report of this run.";
    return;
  }
  block.remove();
  wait.remove();
  form.hidden = false;
  list = new List(find("list"), rows, titles);
  linked();
  let waiting;
  const changed = () => { only = 0; apply(); remember(); };
  form.addEventListener("input", (event) => {
    if (event.target === field("host")) suggest();
    clearTimeout(waiting);
    waiting = setTimeout(changed, 120);
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  field("clear").addEventListener("click", () => { restore(new URLSearchParams()); changed(); field("q").focus(); });
  apply();
  suggest();
  document.documentElement.classList.add("ready");
  reveal();
};

// A few hosts to choose from; ten thousand options would cost more than the list.
const suggest = () => {
  const name = field("host").value.trim().toLowerCase(), found = [];
  for (const it of rows.hosts) {
    if (it.toLowerCase().includes(name)) found.push(make("option", {textContent: it}));
    if (found.length === 12) break;
  }
  find("filter-hosts").replaceChildren(...found);
};

reveal();
begin();
