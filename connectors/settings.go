package connector

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
)

// Fill checks the settings of a connection against the manifest and puts in
// what has a default. The error names the setting and what it must look like.
func (m Manifest) Fill(s Settings) (Settings, error) {
	filled := map[string]string{}
	known := map[string]bool{}
	for _, d := range m.Settings {
		known[d.Name] = true
		v := s.Values[d.Name]
		if v == "" {
			v = d.Default
		}
		if v == "" && d.Required {
			return Settings{}, fmt.Errorf("%s needs the setting %q: %s", m.Name, d.Name, d.About)
		}
		if v == "" {
			continue
		}
		whole, err := regexp.Compile(`^(?:` + d.Pattern + `)$`)
		if err != nil {
			return Settings{}, fmt.Errorf("%s: pattern of the setting %q: %w", m.Name, d.Name, err)
		}
		if d.Pattern != "" && !whole.MatchString(v) {
			return Settings{}, fmt.Errorf("%s: the setting %q must look like %s: %s", m.Name, d.Name, d.Pattern, d.About)
		}
		filled[d.Name] = v
	}
	for _, name := range slices.Sorted(maps.Keys(s.Values)) {
		if !known[name] {
			return Settings{}, fmt.Errorf("%s has no setting %q", m.Name, name)
		}
	}
	s.Values = filled
	return s, nil
}
