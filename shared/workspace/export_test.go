package workspace

import (
	"bytes"

	"go.yaml.in/yaml/v3"

	connector "loophub/connectors"
)

// Asked parses a file and tells, by path, which keys each of its mappings may have.
func Asked(text []byte, known []connector.Manifest) map[string][]string {
	p := &parser{known: known, lines: bytes.Split(text, []byte("\n")), asked: map[*yaml.Node][]string{}}
	root := p.document(text)
	p.workspace(root)
	byPath := map[string][]string{}
	for path, s := range spots(root) {
		if keys, ok := p.asked[s.value]; ok {
			byPath[path] = keys
		}
	}
	return byPath
}
