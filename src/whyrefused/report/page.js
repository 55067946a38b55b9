"use strict";
(() => {
  const all = (selector, from = document) => [...from.querySelectorAll(selector)];
  const make = (tag, properties) => Object.assign(document.createElement(tag), properties);

  // A link to something folded opens what folds it.
  const reveal = () => {
    const target = location.hash.length > 1 && document.getElementById(location.hash.slice(1));
    if (!target) return;
    if (target.tagName === "DETAILS") target.open = true;
    for (let it = target.closest("details"); it; it = it.parentElement.closest("details")) it.open = true;
    target.scrollIntoView({block: "start"});
  };
  addEventListener("hashchange", reveal);

  // Commands are there to be copied.
  const select = (node) => getSelection().selectAllChildren(node);
  const copy = async (button, code) => {
    try {
      await navigator.clipboard.writeText(code.textContent);
      button.textContent = "Copied";
    } catch {
      select(code);
      button.textContent = "Selected";
    }
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  };
  for (const code of all(".commands code")) {
    const button = make("button", {type: "button", className: "copy", textContent: "Copy"});
    button.addEventListener("click", () => copy(button, code));
    code.closest("li").append(button);
  }

  // On paper the findings are unfolded; the items stay as they are on the screen.
  const unfolded = [];
  addEventListener("beforeprint", () => {
    for (const it of all(".finding details:not([open])")) { it.open = true; unfolded.push(it); }
  });
  addEventListener("afterprint", () => { for (const it of unfolded.splice(0)) it.open = false; });

  const form = document.getElementById("filter");
  if (form) {
    const field = (name) => document.getElementById("filter-" + name);
    const [text, host, cause, outcome, count] = ["text", "host", "cause", "outcome", "count"].map(field);
    const rows = all("table.items tbody tr");
    const tables = all("#items .box, #items details.host");
    const words = new Map();
    let wereOpen = null;
    const wordsOf = (row) => {
      if (!words.has(row)) words.set(row, (row.textContent + " " + (row.closest("details.host")?.querySelector("summary b")
        .textContent ?? "")).toLowerCase());
      return words.get(row);
    };
    const fits = (row, wanted) =>
      (!host.value || row.dataset.host === host.value) &&
      (!cause?.value || row.dataset.cause === cause.value) &&
      (!outcome.value || row.dataset.outcome === outcome.value) &&
      wanted.every((it) => wordsOf(row).includes(it));
    const apply = () => {
      const wanted = text.value.toLowerCase().split(/\s+/).filter(Boolean);
      const filtered = Boolean(wanted.length || host.value || cause?.value || outcome.value);
      if (filtered) wereOpen ??= new Set(tables.filter((it) => it.open));
      let shown = 0;
      for (const row of rows) {
        row.hidden = filtered && !fits(row, wanted);
        shown += !row.hidden;
      }
      for (const it of tables) {
        const left = it.querySelector("tbody tr:not([hidden])");
        it.hidden = filtered && !left;
        if (it.tagName === "DETAILS" && wereOpen) it.open = filtered ? Boolean(left) && shown <= 500 : wereOpen.has(it);
      }
      for (const it of all("#items h3.sub")) {
        let next = it.nextElementSibling;
        while (next && next.hidden) next = next.nextElementSibling;
        it.hidden = filtered && (!next || next.tagName === "H3");
      }
      if (!filtered) wereOpen = null;
      count.textContent = filtered ? `${shown} of ${rows.length} items` : "";
    };
    let waiting;
    form.addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(apply, 80); });
    form.addEventListener("submit", (event) => event.preventDefault());
    form.hidden = false;
  }
  reveal();
})();
