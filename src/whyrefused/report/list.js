// Which rows are drawn? Only those in the window of the list; each is made with textContent, and kept while it shows.

const all = (selector, from = document) => [...from.querySelectorAll(selector)];
const make = (tag, properties = {}, ...children) => {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
};

const HOST = 0, ITEM = 1, DETAIL = 2, KINDS = 3;
const BEYOND = 8;  // rows drawn above and below the window
const WHOLE = 120;  // so many rows need no window of their own
const OPEN = 300;  // so many items or fewer are unfolded when they were searched for
const ON_PAPER = 2000;

// What is not drawn leaves its height.
const gap = (row, height) => {
  row.firstChild.height = Math.round(height);
  row.hidden = height < 1;
};

class List {
  constructor(box, rows, titles) {
    Object.assign(this, {box, rows, titles});
    this.table = box.querySelector("table");
    this.body = box.querySelector("tbody");
    this.none = document.getElementById("list-none");
    this.turned = new Map();  // hosts that the reader folded or unfolded
    this.opened = new Set();  // items whose detail is open
    this.heights = new Map();  // of details, once drawn
    this.drawn = new Map();
    this.all = false;
    this.above = make("tr", {className: "gap"}, make("td", {colSpan: 6}));
    this.below = make("tr", {className: "gap"}, make("td", {colSpan: 6}));
    for (const it of [this.above, this.below]) it.setAttribute("aria-hidden", "true");
    box.addEventListener("scroll", () => this.draw(), {passive: true});
    addEventListener("resize", () => { this.heights.clear(); this.measure(); this.draw(); });
    this.body.addEventListener("click", (event) => this.press(event));
  }

  // The rows that fit, under their hosts.
  show(fits, filtered) {
    if (this.filtered !== filtered || filtered) this.turned.clear();
    Object.assign(this, {fits, filtered});
    this.shown = fits.reduce((sum, it) => sum + it, 0);
    this.drawn.clear();
    this.build();
    this.box.scrollTop = 0;
    this.measure();
    this.draw();
  }

  isOpen(host) {
    const usual = this.filtered ? this.shown <= OPEN : this.rows.length <= WHOLE && (this.rows.tallies[host].f + this.rows.tallies[host].e > 0);
    return this.turned.get(host) ?? usual;
  }

  build() {
    const {rows, fits} = this, view = [];
    for (const host of rows.order) {
      const [start, end] = [rows.starts[host], rows.starts[host + 1]];
      let some = !this.filtered;
      for (let at = start; !some && at < end; at++) some = fits[at];
      if (!some) continue;
      view.push(host * KINDS + HOST);
      if (!this.isOpen(host)) continue;
      for (let at = start; at < end; at++) {
        if (!fits[at]) continue;
        view.push(at * KINDS + ITEM);
        if (this.opened.has(at)) view.push(at * KINDS + DETAIL);
      }
    }
    this.view = view;
    this.details = view.flatMap((code, at) => code % KINDS === DETAIL ? [at] : []);
    this.box.classList.toggle("whole", view.length <= WHOLE);
    this.box.hidden = !view.length;
    this.none.hidden = Boolean(view.length);
    this.table.setAttribute("aria-rowcount", view.length + 1);
  }

  measure() {
    const probe = make("tr", {className: "item"}, make("td", {colSpan: 6}, "\u00a0"));
    this.body.append(probe);
    this.height = probe.getBoundingClientRect().height || 40;
    probe.remove();
  }

  heightOf(at) {
    return this.view[at] % KINDS === DETAIL ? this.heights.get(this.view[at]) ?? 6 * this.height : this.height;
  }

  // How far from the top does this entry begin? All are of one height but the open details.
  topOf(at) {
    let top = at * this.height;
    for (const it of this.details) {
      if (it >= at) break;
      top += this.heightOf(it) - this.height;
    }
    return top;
  }

  entryAt(y) {
    let [low, high] = [0, this.view.length];
    while (low < high) {
      const middle = low + high >> 1;
      if (this.topOf(middle + 1) <= y) low = middle + 1; else high = middle;
    }
    return low;
  }

  draw() {
    if (!this.view) return;
    const whole = this.all || this.box.classList.contains("whole");
    const first = whole ? 0 : Math.max(0, this.entryAt(this.box.scrollTop) - BEYOND);
    const last = whole ? this.view.length :
      Math.min(this.view.length, this.entryAt(this.box.scrollTop + Math.max(this.box.clientHeight, innerHeight)) + 1 + BEYOND);
    const focused = this.body.contains(document.activeElement);
    const kept = new Map();
    let next = this.body.firstChild;
    const place = (node) => {
      if (node === next) next = next.nextSibling; else this.body.insertBefore(node, next);
    };
    place(this.above);
    for (let at = first; at < last; at++) {
      const code = this.view[at];
      const row = this.drawn.get(code) ?? this.make(code);
      row.setAttribute("aria-rowindex", at + 2);
      kept.set(code, row);
      place(row);
    }
    place(this.below);
    this.drawn = kept;
    while (next) {
      const it = next;
      next = next.nextSibling;
      it.remove();
    }
    if (focused && !this.body.contains(document.activeElement)) this.box.focus({preventScroll: true});
    for (const [code, row] of kept) {
      if (code % KINDS === DETAIL) this.heights.set(code, row.getBoundingClientRect().height);
    }
    gap(this.above, this.topOf(first));
    gap(this.below, this.topOf(this.view.length) - this.topOf(last));
  }

  make(code) {
    const [at, kind] = [Math.floor(code / KINDS), code % KINDS];
    const row = kind === HOST ? this.hostRow(at) : kind === ITEM ? this.itemRow(at) : this.detailRow(at);
    row.className = ["host", "item", "detail"][kind];
    row.dataset.code = code;
    return row;
  }

  hostRow(at) {
    const {rows} = this, tally = make("span", {className: "tally"});
    for (const [letter, outcome] of Object.entries(LETTERS)) {
      const number = rows.tallies[at][letter];
      if (number) tally.append(make("span", {className: outcome, textContent: `${number} ${outcome}`}), " ");
    }
    if (!rows.sizes[at]) tally.append(make("span", {className: "error", textContent: "nothing checked"}));
    const groups = rows.members[at].map((it) => make("span", {className: "group", textContent: rows.groups[it]}));
    const asked = rows.asked?.[at];  // only where an earlier run had asked some host
    if (asked) groups.push(make("span", {className: "asked", textContent: `asked ${asked}`}));
    const button = make("button", {type: "button"}, make("b", {textContent: rows.hosts[at]}));
    button.setAttribute("aria-expanded", this.isOpen(at));
    button.disabled = !rows.sizes[at];
    const cell = make("th", {colSpan: 6, scope: "rowgroup"}, make("div", {}, button, make("span", {className: "groups"}, ...groups), tally));
    return make("tr", {}, cell);
  }

  itemRow(at) {
    const {rows} = this, outcome = LETTERS[rows.outcome[at]];
    const button = make("button", {type: "button"}, make("span", {className: `badge ${outcome}`, textContent: outcome}),
      make("span", {className: "unseen", textContent: ` ${rows.words[rows.check[at]]} ${rows.words[rows.subject[at]]}`}));
    button.setAttribute("aria-expanded", this.opened.has(at));
    const text = (column) => make("td", {}, make("span", {className: "clip", textContent: rows.words[rows[column][at]]}));
    const cause = make("td");
    if (rows.finding[at]) {
      const [anchor, number] = rows.findings[rows.finding[at] - 1];
      cause.append(make("a", {className: "clip", href: `#${anchor}`, textContent: this.titles[number - 1] ?? "finding"}));
    }
    return make("tr", {}, make("td", {}, button), text("check"), text("subject"), text("expected"), text("observed"), cause);
  }

  detailRow(at) {
    const {rows} = this, word = (column) => rows.words[rows[column][at]];
    const part = (name, ...value) => make("div", {}, make("dt", {textContent: name}), make("dd", {}, ...value));
    const list = make("dl", {}, part("Expected", word("expected")), part("Observed", word("observed")));
    if (rows.finding[at]) {
      const [anchor, number] = rows.findings[rows.finding[at] - 1];
      list.append(part("Cause", make("a", {href: `#${anchor}`, textContent: this.titles[number - 1] ?? "the finding"})));
    }
    list.append(part("Item", make("code", {textContent: rows.id(at)}), " ",
      make("a", {className: "self", href: `#item-${rows.anchor.substr(12 * at, 12)}`, textContent: "Link"})));
    const {more, quotes} = rows.quotes(at), shown = make("div", {className: "quotes"});
    for (const [host, source, text] of quotes) {
      shown.append(make("figure", {className: "quote"},
        make("figcaption", {}, make("b", {textContent: host}), " ", make("code", {textContent: source})),
        make("pre", {}, make("samp", {textContent: text}))));
    }
    const cell = make("td", {colSpan: 6}, make("div", {className: "pair"}, list, quotes.length ? shown :
      make("p", {className: "small", textContent: more ? "" : "No evidence was kept."})));
    if (more) cell.append(make("p", {className: "small", textContent: `${more} more lines in the JSON report.`}));
    return make("tr", {}, cell);
  }

  press(event) {
    const row = event.target.closest("tr[data-code]");
    if (!row || event.target.closest("a") || row.className === "detail" || !getSelection().isCollapsed) return;
    const [at, kind] = [Math.floor(row.dataset.code / KINDS), row.dataset.code % KINDS];
    if (kind === HOST) this.turned.set(at, !this.isOpen(at));
    else if (!this.opened.delete(at)) this.opened.add(at);
    row.querySelector("button").setAttribute("aria-expanded", kind === HOST ? this.isOpen(at) : this.opened.has(at));
    this.build();
    this.draw();
  }

  // Bring an item into sight, unfolded.
  reveal(at) {
    const host = this.rows.host[at];
    this.turned.set(host, true);
    this.opened.add(at);
    this.drawn.delete(at * KINDS + ITEM);
    this.drawn.delete(host * KINDS + HOST);
    this.build();
    this.draw();  // the box must be as high as it will be before it can be scrolled there
    const entry = this.view.indexOf(at * KINDS + ITEM);
    this.box.scrollTop = Math.max(0, this.topOf(entry) - 2 * this.height);
    this.draw();
    const row = this.drawn.get(at * KINDS + ITEM);
    row.scrollIntoView({block: "center"});
    row.querySelector("button").focus({preventScroll: true});
  }

  // Paper has no window: all that fits is drawn, unless it is too much for paper.
  paper(on) {
    this.all = on && this.view.length <= ON_PAPER;
    document.documentElement.classList.toggle("items-on-paper", this.all);
    this.draw();
  }
}
