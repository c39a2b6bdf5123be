package conformance

import (
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	connector "loophub/connectors"
)

var systemName = regexp.MustCompile(`^[a-z][a-z0-9]*$`)

func (b *bench) manifestIsWhole() {
	m := b.manifest
	if !systemName.MatchString(m.Name) {
		b.fail("name %q: it is the folder's and the package's too, so lower-case letters and digits alone, beginning with a letter", m.Name)
	}
	if m.Title == "" {
		b.fail("Title is empty: how do people write the system's name?")
	}
	if m.Rank < 1 {
		b.fail("rank %d: begin with 1", m.Rank)
	}
	if len(m.Topics) == 0 {
		b.fail("Topics are empty: what does it read?")
	}
	if !slices.IsSorted(m.Topics) || len(slices.Compact(slices.Clone(m.Topics))) != len(m.Topics) {
		b.fail("topics are not sorted, or there twice: %v", m.Topics)
	}
	if (m.Secrets == "") != (b.Sign == nil) {
		b.fail("Secrets says %q, and the suite has a way to sign: %v", m.Secrets, b.Sign != nil)
	}
	for _, h := range slices.Concat(m.Headers, m.Proof) {
		if h != http.CanonicalHeaderKey(h) {
			b.fail("header %q is not in canonical form", h)
		}
	}
	if m.Refusal != 0 && (m.Refusal < 200 || m.Refusal > 599) {
		b.fail("refusal %d is no status", m.Refusal)
	}
	if m.Internal && m.Platform {
		b.fail("Internal and Platform: deliveries come from our own stages or from the account's services, not from both")
	}
	if m.Platform != (b.New().Address != nil) {
		b.fail("Platform is %v, and there is an Address: %v; deliveries of the platform have no URL that says whose they are", m.Platform, b.New().Address != nil)
	}
	if !m.Vouched() && !strings.Contains(strings.Join(m.Setup, " "), "{url}") {
		b.fail("no step of Setup says where {url} goes")
	}
	for _, s := range m.Settings {
		if _, err := regexp.Compile(s.Pattern); err != nil {
			b.fail("setting %s: pattern: %v", s.Name, err)
		}
		if s.Name == "" || s.About == "" || s.Required && s.Default != "" {
			b.fail("setting %q wants a name, an explanation, and a default only where it is not required", s.Name)
		}
	}
	for _, p := range m.Pages {
		if _, err := time.Parse(time.DateOnly, p.Read); err != nil || !strings.HasPrefix(p.URL, "https://") {
			b.fail("page %s read %s: an address and a date are needed", p.URL, p.Read)
		}
	}
}

func (b *bench) settingsAreRefused() {
	try := func(name, value string) error {
		s := b.Settings
		s.Values = maps.Clone(s.Values)
		if s.Values == nil {
			s.Values = map[string]string{}
		}
		delete(s.Values, name)
		if value != "" {
			s.Values[name] = value
		}
		_, err := b.New().Source(s)
		return err
	}
	for _, s := range b.manifest.Settings {
		if s.Required {
			b.refused(s, "missing", try(s.Name, ""))
		}
		wrong := "\x00 wrong \n"
		if s.Pattern != "" && !regexp.MustCompile("^(?:"+s.Pattern+")$").MatchString(wrong) {
			b.refused(s, "wrong", try(s.Name, wrong))
		}
	}
	b.refused(connector.Setting{Name: "nobody_knows_this"}, "unknown", try("nobody_knows_this", "x"))
}

func (b *bench) refused(s connector.Setting, how string, err error) {
	switch {
	case err == nil:
		b.fail("setting %s: %s, and accepted", s.Name, how)
	case !strings.Contains(err.Error(), s.Name):
		b.fail("setting %s: %s, and the error does not name it: %v", s.Name, how, err)
	case s.Sensitive && how == "wrong" && strings.Contains(err.Error(), "wrong \n"):
		b.fail("setting %s is sensitive, and the error tells its value", s.Name)
	}
}
