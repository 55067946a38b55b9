r"""What may a fragment take from the frames that were asked before it, in the same shell?

A probe names in `AFTER` the frames that it looks at. Where all are asked together, and such a frame ended well, its
text stands in `seen_NAME`; where a probe is asked by itself there is none. So what is in them may only save work: a
fragment that finds nothing there looks itself. `_token` is set where all are asked together.
"""

from __future__ import annotations

# ss quotes no name, and one of 15 bytes may hold a line feed: too short for a row with two numbers behind its state.
LISTENING = r"""
listening() {
open=' '; tcps=0; udps=0; set -f; IFS='
'
for l in ${seen_listeners-}; do
  unset IFS; set -- $l
  case $2:$3$4 in LISTEN:*[!0-9]*|UNCONN:*[!0-9]*) ;;
  LISTEN:?*|UNCONN:?*) open="$open${5##*:}/$1 "
    case $1 in tcp) tcps=$((tcps + 1)) ;; udp) udps=$((udps + 1)) ;; esac ;;
  esac
done
unset IFS; set +f
}
"""
"""`listening` sets `open` to the ports, ` 22/tcp 53/udp `, `tcps` and `udps` to how many sockets of each there are."""

# Every address that getent gave is declared, and every declared one was given; written in another way they differ.
GIVEN = r"""
given() {
set -f; f=' '; IFS='
'
for l in $1; do case $l in
  "$2	getent	"*) l=${l#"$2	getent	"}; f="$f${l%% *} " ;;
  "$2	status	0") f=" $f" ;;
esac; done
unset IFS; shift 2
case $f in '  '*) ;; *) return 1 ;; esac
for l do case $f in *" $l "*) ;; *) return 1 ;; esac; done
for l in $f; do case " $* " in *" $l "*) ;; *) return 1 ;; esac; done
}
"""
"""`given ROWS NAME ADDRESS…` tells whether `names` has just these addresses for the name in its rows."""
