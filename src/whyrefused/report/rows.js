// What do the items say, and which of them fit? Columns of numbers and a table of words (packed.py); no DOM here.

const inflated = async (block) => {
  const text = atob(JSON.parse(block.textContent));
  const bytes = new Uint8Array(text.length);
  for (let at = 0; at < text.length; at++) bytes[at] = text.charCodeAt(at);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return JSON.parse(await new Response(stream).text());
};

class Rows {
  constructor(data) {
    Object.assign(this, data);
    this.length = this.outcome.length;
    this.host = new Uint32Array(this.length);
    this.starts = new Uint32Array(this.hosts.length + 1);
    this.sizes.forEach((size, at) => {
      this.starts[at + 1] = this.starts[at] + size;
      this.host.fill(at, this.starts[at], this.starts[at + 1]);
    });
    this.tallies = this.hosts.map(() => ({f: 0, e: 0, s: 0, p: 0}));
    for (let at = 0; at < this.length; at++) this.tallies[this.host[at]][this.outcome[at]]++;
    this.order = [...this.hosts.keys()].sort((a, b) =>
      this.tallies[b].f - this.tallies[a].f || this.tallies[b].e - this.tallies[a].e || this.sizes[a] - this.sizes[b] || a - b);
  }

  cause(row) { return this.finding[row] && this.findings[this.finding[row] - 1][1]; }

  id(row) {
    return this.templates[this.template[row]].replaceAll("\u0000", () => this.hosts[this.host[row]])
      .replaceAll("\u0001", () => this.words[this.subject[row]]);
  }

  quotes(row) {
    const [more, ...quotes] = this.sets[this.evidence[row]];
    return {more, quotes: quotes.map((it) => this.said[it].map((word) => this.words[word]))};
  }

  // Which row has this anchor? All of them stand in one text, twelve characters each.
  at(anchor) {
    if (!/^[0-9a-f]{12}$/.test(anchor)) return -1;
    let at = this.anchor.indexOf(anchor);
    while (at >= 0 && at % 12) at = this.anchor.indexOf(anchor, at + 1);
    return at < 0 ? -1 : at / 12;
  }

  of(finding) {
    const found = [];
    for (let at = 0; at < this.length; at++) if (this.finding[at] === finding) found.push(at);
    return found;
  }

  // Which words, hosts and quotes hold this term? Rows then only look numbers up.
  #holding(term) {
    this.lower ??= this.words.map((it) => it.toLowerCase());
    this.lowerHosts ??= this.hosts.map((it) => it.toLowerCase());
    const words = Uint8Array.from(this.lower, (it) => it.includes(term));
    const hosts = Uint8Array.from(this.lowerHosts, (it) => it.includes(term));
    const said = Uint8Array.from(this.said, (it) => words[it[0]] | words[it[1]] | words[it[2]]);
    const sets = Uint8Array.from(this.sets, (it) => it.some((quote, at) => at && said[quote]));
    const causes = Uint8Array.from([0, ...this.titles.map((it) => it.toLowerCase().includes(term))]);
    return (row) => hosts[this.host[row]] || words[this.check[row]] || words[this.subject[row]] ||
      words[this.observed[row]] || words[this.expected[row]] || sets[this.evidence[row]] || causes[this.cause(row)];
  }

  // Which rows fit all that is wanted? As one byte a row.
  fitting({q = "", host = "", group = "", cause = "", outcome = "", finding = 0}) {
    const terms = q.toLowerCase().split(/\s+/).filter(Boolean).map((it) => this.#holding(it));
    const name = host.trim().toLowerCase();
    const exact = this.hosts.findIndex((it) => it.toLowerCase() === name);
    const homes = Uint8Array.from(this.hosts, (it, at) =>
      (!name || (exact >= 0 ? at === exact : it.toLowerCase().includes(name))) &&
      (group === "" || this.members[at].includes(Number(group))));
    const letter = Object.keys(LETTERS).find((it) => LETTERS[it] === outcome);
    const fits = new Uint8Array(this.length);
    for (let at = 0; at < this.length; at++) {
      fits[at] = homes[this.host[at]] && (!letter || this.outcome[at] === letter) &&
        (cause === "" || this.cause(at) === Number(cause) && (Number(cause) || /[fe]/.test(this.outcome[at]))) &&
        (!finding || this.finding[at] === finding) && terms.every((it) => it(at)) ? 1 : 0;
    }
    return fits;
  }
}
