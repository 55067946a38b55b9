# Which destinations stand under the wanted keys of a configuration file? Runs on the host, any POSIX awk.
#
# K holds the wanted keys, a line each: `h KEY` for one that names a host or URL, `p KEY` for one that names a port; no
# line at all asks for whatever in the file is a destination. Prints PATH TAB DESTINATION, DESTINATION being
# [SCHEME://]HOST[:PORT][,…], a number, or ? where the value is none; and `host TAB NAME` for each name in them. Nothing
# else of a value is printed: no user, no password, no path. The last line is a dot.

BEGIN { NONE = "\001"; wanted = split(tolower(ENVIRON["K"]), want, "\n"); whole = ENVIRON["K"] == "" }
{ sub(/\r$/, ""); line[NR] = $0 }
END {
  for (i = 1; i <= NR && line[i] ~ /^[ \t]*$/; i++) {}
  first = i <= NR ? line[i] : ""
  if (first ~ /^[ \t]*([{]|\[[ \t]*([[{"]|$))/) json(); else lines()
  print "."
}

function trim(v) { gsub(/^[ \t]+|[ \t]+$/, "", v); return v }

# A value without its quotes, its comment, and the comma or semicolon that ends it in some languages. What is cut off may
# belong to a password that holds a quote or a hash: with an @ in it, or more than a comment, nothing is told.
function bare(v, q, p, rest) {
  v = trim(v); q = substr(v, 1, 1)
  if (q == "\"" || q == "'") {
    v = substr(v, 2); p = index(v, q); rest = p ? substr(v, p + 1) : "@"
    return rest ~ /@/ || rest !~ /^[ \t]*([#;,)].*)?$/ ? NONE : substr(v, 1, p - 1)
  }
  if (match(v, /[ \t][#;]/)) {
    if (index(substr(v, RSTART), "@")) return NONE
    v = substr(v, 1, RSTART - 1)
  }
  sub(/[ \t,;)]+$/, "", v)
  return v
}

# The word after NAME= in a list of words, as in `host=db1 port=5432 password=…`.
function word(v, name, w, p) {
  w = " " tolower(v); gsub(/;/, " ", w); p = index(w, " " name "=")
  if (!p) return ""
  v = substr(v, p + length(name) + 1); sub(/[ \t;].*$/, "", v)
  return bare(v)
}

function clean(a) {
  if (a ~ /^[0-9A-Fa-f]*:[0-9A-Fa-f]*:[0-9A-Fa-f:.]*$/) return "[" a "]"
  return a ~ /^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]+)(:[0-9]+)?(,(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]+)(:[0-9]+)?)*$/ ? a : ""
}

# What of a value may be told. Credentials end at the last @ of a URL's authority; where an @ stands behind a slash it
# cannot be told whether that belongs to a password, and nothing is.
function place(v, s, a, j) {
  if (length(v) > 2000) return "?"
  j = sub(/^jdbc:/, "", v)
  if (match(v, /@(tcp[46]?)?[(][^()]*[)]/)) {
    a = substr(v, RSTART, RLENGTH); sub(/^[^(]*[(]/, "", a); sub(/[)]$/, "", a)
  } else if (match(v, /^[A-Za-z][A-Za-z0-9+.-]*:\/\//)) {
    s = tolower(substr(v, 1, RLENGTH)); v = substr(v, RLENGTH + 1); a = v; sub(/[\/?#;].*$/, "", a)
    if (!j && index(substr(v, length(a) + 1), "@")) return "?"
    sub(/^.*@/, "", a)
  } else if ((a = word(v, "host")) || (a = word(v, "hostaddr")) || (a = word(v, "server"))) {
    sub(/^tcp:/, "", a); sub(/,/, ":", a); j = word(v, "port")
    if (j ~ /^[0-9]+$/ && a !~ /:[0-9]+$/) a = a ":" j
  } else {
    if (v ~ /^[A-Za-z0-9_.-]+[ \t]+[0-9]+$/) sub(/[ \t]+/, ":", v)
    if (v ~ /[\/?#].*@/) return "?"
    a = v; sub(/^.*@/, "", a); sub(/[\/?#].*$/, "", a)
  }
  a = clean(a)
  return a ? s a : "?"
}

function ends(path, key) {
  if (path == key) return 1
  return length(path) > length(key) && substr(path, length(path) - length(key)) == "." key
}

function tell(path, v, names, n, i, name) {
  gsub(/[\001-\037]/, "", path); path = substr(path, 1, 300)
  print path "\t" v
  if (v ~ /^[0-9?]*$/) return
  sub(/^[^\/]*:\/\//, "", v); n = split(v, names, ",")
  for (i = 1; i <= n && told < 8; i++) {
    name = names[i]; sub(/:[0-9]+$/, "", name); gsub(/[][]/, "", name)
    if (!(name in seen)) { seen[name] = 1; told++; print "host\t" name }
  }
}

# One value: is it asked for?
function value(path, v, i, low, list) {
  v = bare(v)
  if (v == "") return
  if (whole) {
    low = tolower(path)
    if (low ~ /pass|secret|token|cred|key/) return
    low = place(v)
    if (low ~ /:[0-9]+$|:\/\//) tell("", low)
    return
  }
  low = tolower(path); list = low; sub(/\.[0-9]+$/, "", list)
  for (i = 1; i <= wanted; i++) {
    if (!ends(low, substr(want[i], 3)) && !ends(list, substr(want[i], 3))) continue
    if (substr(want[i], 1, 1) == "p" && v !~ /^[0-9]+$/) v = "?"
    tell(path, v == "?" ? v : place(v))
    return
  }
}

function under(upto, i, path) {
  path = section
  for (i = 1; i <= upto; i++) path = (path == "" ? "" : path ".") name[i]
  return path
}

# Lines of KEY=VALUE, [section], `key: value` nested by indentation, and their kin.
function lines(i, v, in_, depth, again, key, path, parts, n, p, only, count) {
  block = -1
  for (i = 1; i <= NR; i++) {
    v = line[i]; match(v, /^[ \t]*/); in_ = RLENGTH; v = trim(v)
    if (v == "" || v ~ /^([#;]|\/\/|---)/ || (block >= 0 && in_ > block)) continue
    block = -1; count++; only = v
    if (v ~ /^\[+[^]]*\]+$/) { gsub(/^\[+|\]+$/, "", v); gsub(/["']/, "", v); section = trim(v); depth = 0; continue }
    if (whole && v ~ /^[A-Za-z][A-Za-z0-9+.-]*:\/\/|^[A-Za-z0-9_.-]+:[0-9]+$/) { value("", v); continue }
    while (v ~ /^-([ \t]|$)/) {
      again = 0
      while (depth > 0 && (at[depth] > in_ || (at[depth] == in_ && item[depth]))) {
        if (at[depth] == in_) again = name[depth] + 1
        depth--
      }
      depth++; at[depth] = in_; item[depth] = 1; name[depth] = again
      p = length(v); v = substr(v, 2); sub(/^[ \t]+/, "", v); in_ += p - length(v)
    }
    if (depth > 0 && item[depth] && v ~ /^["']?([A-Za-z][A-Za-z0-9+.-]*:\/\/|[][A-Za-z0-9_.:-]+:[0-9]+["']?$)/) {
      value(under(depth), v); continue
    }
    if (v ~ /^[{].*[}]$/) { flow(under(depth), v); continue }
    sub(/^(export|set|let|const|var)[ \t]+/, "", v)
    if (sub(/^define[ \t]*[(][ \t]*/, "", v)) sub(/,/, "=", v)
    sub(/^[$]/, "", v)
    if (match(v, /^["']?[A-Za-z0-9_][A-Za-z0-9_.\/-]*["']?[ \t]*(=>|[=:])/) ||
        match(v, /^[A-Za-z_][A-Za-z0-9_.-]*[ \t]+/)) {
      key = substr(v, 1, RLENGTH); v = trim(substr(v, RLENGTH + 1)); gsub(/["'=:> \t]/, "", key)
      while (depth > 0 && at[depth] >= in_) depth--
      path = under(depth); path = (path == "" ? "" : path ".") key
      sub(/^[&!][^ ]+[ \t]*/, "", v)
      if (v ~ /^[|>][-+0-9]*$/) { block = in_; continue }
      if (v == "") { depth++; at[depth] = in_; item[depth] = 0; name[depth] = key; continue }
      if (v ~ /^[{[].*[]}],?$/) flow(path, v); else value(path, v)
    } else if (depth > 0) value(under(depth), v)
  }
  if (whole && !told && count == 1) tell("", place(bare(only)))
}

# {host: db1, port: 5432} or [db1:5432, db2:5432] on one line.
function flow(path, v, parts, n, i, key) {
  n = split(substr(v, 2, length(v) - 2 - (v ~ /,$/)), parts, ",")
  for (i = 1; i <= n; i++) {
    v = trim(parts[i]); key = i - 1
    if (match(v, /^["']?[A-Za-z0-9_.-]+["']?[ \t]*(:[ \t]|=)/)) {
      key = substr(v, 1, RLENGTH); v = substr(v, RLENGTH + 1); gsub(/["':= \t]/, "", key)
    }
    value(path "." key, v)
  }
}

function json(t, n, i, c, depth, v, j) {
  for (i = 1; i <= NR; i++) t = t line[i] "\n"
  n = length(t); section = ""
  for (i = 1; i <= n; i++) {
    c = substr(t, i, 1)
    if (c ~ /[ \t\n:]/) continue
    if (c == "{" || c == "[") { depth++; kind[depth] = c; name[depth] = c == "[" ? 0 : ""; continue }
    if (c == "}" || c == "]") { depth--; continue }
    if (c == ",") { if (kind[depth] == "[") name[depth]++; continue }
    v = ""
    if (c == "\"") {
      for (i++; i <= n && (c = substr(t, i, 1)) != "\""; i++) { if (c == "\\") c = substr(t, ++i, 1); v = v c }
      for (j = i + 1; substr(t, j, 1) ~ /[ \t\n]/; j++) {}
      if (kind[depth] == "{" && substr(t, j, 1) == ":") { name[depth] = v; i = j; continue }
    } else {
      for (; i <= n && (c = substr(t, i, 1)) !~ /[],}\n \t]/; i++) v = v c
      i--
    }
    value(under(depth), v)
  }
}
