package matrix

import (
	"maps"
	"regexp"
	"slices"
	"strings"
)

// judge compares how a world ended with how it ends without failures. "" is the same. Where it may be unknown whether a
// message was sent, and one is, what hangs on that may be missing.
func judge(want, got []string, mayLose bool) string {
	missing, beyond := differ(want, got)
	if mayLose && slices.ContainsFunc(beyond, unknown) {
		missing, beyond = differ(withoutSends(want), withoutSends(got))
		_, mails := differ(sends(want), sends(got))
		beyond = append(beyond, mails...)
	}
	var b strings.Builder
	for _, line := range missing {
		b.WriteString("\n- " + line)
	}
	for _, line := range beyond {
		b.WriteString("\n+ " + line)
	}
	return b.String()
}

// told is what others told us, and what is left over: all that a world has in common with another whose story went on from
// a mail.
func told(state []string) (l []string) {
	for _, line := range state {
		for _, what := range []string{"fact customer ", "fact order ", "fact form ", "parked ", "held ", "queue ", "message is sent twice"} {
			if strings.HasPrefix(line, what) {
				l = append(l, line)
			}
		}
	}
	return l
}

// differ tells which lines are missing, and which are too many.
func differ(want, got []string) (missing, beyond []string) {
	n := map[string]int{}
	for _, line := range want {
		n[line]++
	}
	for _, line := range got {
		if n[line]--; n[line] < 0 {
			beyond = append(beyond, line)
		}
	}
	for _, line := range slices.Sorted(maps.Keys(n)) {
		for range n[line] {
			missing = append(missing, line)
		}
	}
	return missing, beyond
}

// mayLose tells whether a failure may leave it unknown whether a message was sent: one of the message stage, between
// the claim and the note of what became of it. Then the message is shown as unknown, and not sent again.
func (c cell) mayLose() bool {
	switch c.place.caller {
	case "functions/message.work.send", "functions/message.work.giveBack", "functions/message.work.release",
		"functions/message.work.releaseOnce", "functions/message.work.commit", "functions/message.work.settle":
		return true
	}
	return false
}

func unknown(line string) bool {
	return strings.HasPrefix(line, "message to ") && strings.Contains(line, " unknown ")
}

var (
	happenings = regexp.MustCompile(`,?"e":\{[^{}]*\[.*?\]\}`)
	aftermath  = []string{"message to ", "mail to ", "fact message ", "counter "}
)

func sends(state []string) (l []string) {
	for _, line := range state {
		if strings.HasPrefix(line, "mail to ") {
			l = append(l, line)
		}
	}
	return l
}

// withoutSends leaves out what hangs on whether a message was sent.
func withoutSends(state []string) (l []string) {
	for _, line := range state {
		if !slices.ContainsFunc(aftermath, func(what string) bool { return strings.HasPrefix(line, what) }) {
			l = append(l, happenings.ReplaceAllString(line, ""))
		}
	}
	return l
}
